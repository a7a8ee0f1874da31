"""The endpoints of an EVM chain: a revert is an answer of theirs, and signed bytes are sent to them in order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx
import structlog

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.rpc import MAX_BATCH, Call, Endpoint, NoAnswer, RpcError
from fiatrails.chains.evm import faults, shapes
from fiatrails.kernel import metrics
from fiatrails.kernel.conf import profile

# geth closes the connection on bodies above 5 MB.
MAX_BROADCAST_BYTES = 1_000_000
_REVERT_CODE = 3
_CHAIN_CHECKED_FOR_S = 5.0
_log = structlog.get_logger(__name__)

metrics.expect_rpc_methods(
    "eth_blockNumber",
    "eth_call",
    "eth_chainId",
    "eth_estimateGas",
    "eth_feeHistory",
    "eth_getBalance",
    "eth_getBlockByHash",
    "eth_getBlockByNumber",
    "eth_getCode",
    "eth_getLogs",
    "eth_getTransactionByHash",
    "eth_getTransactionCount",
    "eth_getTransactionReceipt",
    "eth_sendRawTransaction",
)


@dataclass(frozen=True, slots=True)
class SendReply:
    """What one endpoint said about one raw transaction. No error and `sent`: accepted. `error` None and `unknown`:
    nobody knows. `sent` False: the bytes never left."""

    endpoint: str
    error: RpcError | None
    unknown: str = ""
    sent: bool = True


class EvmPool(RpcPool):
    """A pool whose nodes execute calls, which may revert, and take raw transactions.

    With a `chain_id`, an endpoint that answers for another chain gives no answers: behind one address a different node
    may stand at any time, so each is asked again every few seconds and after each failure.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout_s: float,
        chain_id: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        transports: Sequence[httpx.BaseTransport] | None = None,
    ) -> None:
        super().__init__(urls, timeout_s=timeout_s, monotonic=monotonic, transports=transports)
        self._chain_id = chain_id
        self._checked_until: dict[str, float] = {}

    def require_chain(self, endpoint: Endpoint) -> None:
        """Ask the endpoint for its chain unless it was asked lately; NoAnswer when it serves another."""
        if self._chain_id is None or self._monotonic() < self._checked_until.get(endpoint.name, 0.0):
            return
        served = chain_of(endpoint)
        if served != self._chain_id:
            _log.error("rpc.wrong_chain", endpoint=endpoint.name, chain_id=served, wanted=self._chain_id)
            raise NoAnswer(endpoint.name, f"answers for chain {served}, not {self._chain_id}", sent=False)
        self._checked_until[endpoint.name] = self._monotonic() + _CHAIN_CHECKED_FOR_S

    def _ask(self, endpoint: Endpoint, calls: Sequence[Call]) -> list[Any | RpcError]:
        try:
            return super()._ask(endpoint, calls)
        except NoAnswer:
            # Whoever answers next at this address may be another node.
            self._checked_until.pop(endpoint.name, None)
            raise

    def fits(self, call: Call, result: Any) -> bool:
        """Return whether the result has the shape that an answer to this method has."""
        return shapes.fits(call.method, result)

    def fault_of(self, method: str, error: RpcError) -> str:
        """Return the cause under which an error answer counts as the node's failure; "" when it is about the call."""
        return faults.fault_of(method, error)

    def conclusion_of(self, error: RpcError) -> str | None:
        """Return what the call reverted with; None when it was not executed."""
        return revert_data(error) if is_revert(error) else None

    def broadcast(self, raws: Sequence[bytes], *, everywhere: bool = False) -> list[list[SendReply]]:
        """Send raw transactions in order; return per transaction one reply of each endpoint tried.

        The same bytes go to the next endpoint when one did not take all of them, or to all when `everywhere`: identical
        bytes can be mined only once. Nothing is ever retried here; the caller records what is known first (an unknown
        send is repeated)."""
        replies: list[list[SendReply]] = [[] for _ in raws]
        for endpoint in self._ranked("eth_sendRawTransaction"):
            taken = True
            for start, stop in _chunks(raws):
                for number, reply in enumerate(self._send(endpoint, raws[start:stop]), start):
                    replies[number].append(reply)
                    taken = taken and reply.error is None and not reply.unknown
            if taken and not everywhere:
                break
        return replies

    def _send(self, endpoint: Endpoint, raws: Sequence[bytes]) -> list[SendReply]:
        calls = [Call("eth_sendRawTransaction", ("0x" + bytes(raw).hex(),)) for raw in raws]
        try:
            answers = self._ask(endpoint, calls)
        except NoAnswer as failure:
            return [SendReply(endpoint.name, None, failure.error_type, failure.sent) for _ in raws]
        return [SendReply(endpoint.name, a if isinstance(a, RpcError) else None) for a in answers]


def chain_of(endpoint: Endpoint) -> int:
    """Return the id of the chain that the endpoint serves; NoAnswer when it does not say."""
    (answer,) = endpoint.exchange([Call("eth_chainId")])
    if isinstance(answer, RpcError) or not shapes.fits("eth_chainId", answer):
        raise NoAnswer(endpoint.name, f"does not say its chain id: {answer}", sent=False)
    return int(answer, 16)


def is_revert(error: RpcError) -> bool:
    """Return whether the call itself was executed and reverted, so that every honest node says the same."""
    return error.code == _REVERT_CODE or "revert" in error.message.lower()


def revert_data(error: RpcError) -> str:
    """Return what the contract reverted with, as hex, or "". Some nodes wrap it in an object."""
    data: Any = error.data
    if isinstance(data, dict):
        data = data.get("data") or data.get("result")
    return data if isinstance(data, str) else ""


def default_pool() -> EvmPool:
    """Return the pool of the profile's endpoints, one per process and set of URLs."""
    settings = profile()
    # Two threads asking first at once must not make two pools, of which one would be dropped with open sockets.
    with _POOL_LOCK:
        return _pool(os.getpid(), settings.rpc_urls, settings.timeouts.rpc_ms, settings.chain_id)


_POOL_LOCK = threading.Lock()


@lru_cache(maxsize=8)
def _pool(_pid: int, urls: tuple[str, ...], timeout_ms: int, chain_id: int) -> EvmPool:
    return EvmPool(urls, timeout_s=timeout_ms / 1000, chain_id=chain_id)


def _chunks(raws: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    start = size = 0
    for number, raw in enumerate(raws):
        if number > start and (number - start >= MAX_BATCH or size + 2 * len(raw) > MAX_BROADCAST_BYTES):
            yield start, number
            start, size = number, 0
        size += 2 * len(raw)
    if raws:
        yield start, len(raws)
