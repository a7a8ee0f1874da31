"""What stands at an address of a chain that need not be the profile's: for operators' checks, not for the rail's flow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from fiatrails.chains.core.rpc import RpcError
from fiatrails.chains.evm.contracts.contract import Read
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.kernel.errors import OutsideUnknown

_TIMEOUT_S = 10.0

T = TypeVar("T")


@contextmanager
def one_endpoint(rpc_url: str) -> Iterator[EvmPool]:
    """Yield a pool of this endpoint alone, and close it."""
    pool = EvmPool([rpc_url], timeout_s=_TIMEOUT_S)
    try:
        yield pool
    finally:
        pool.close()


def ask(pool: EvmPool, reads: Sequence[Read[T]]) -> list[T | None]:
    """Return the answers; None where something else than the asked contract answers. OutsideUnknown when the chain
    gives no answer, or refuses one."""
    answers = pool.batch([read.call() for read in reads])
    return [_answer(read, answer) for read, answer in zip(reads, answers, strict=True)]


def _answer(read: Read[T], answer: object) -> T | None:
    if isinstance(answer, RpcError):
        raise OutsideUnknown("rpc_refused", f"the chain refused {read.method}")
    try:
        return read.decode(answer)
    except ValueError:
        return None
