"""An on-chain sanctions oracle: a contract, kept by somebody else, that says which addresses are sanctioned."""

from __future__ import annotations

from collections.abc import Sequence

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.rpc import Call, RpcError
from fiatrails.chains.evm.contracts import abi
from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.errors import OutsideUnknown

# One batch of JSON-RPC.
MAX_ADDRESSES_PER_READ = 100


def sanctioned(addresses: Sequence[str], *, oracle: str, pool: RpcPool) -> dict[str, bool]:
    """What the contract `oracle` says of each address, by lower-case address. OutsideUnknown when it does not answer,
    or no such contract is there: a missing second opinion clears nobody."""
    wanted = list(dict.fromkeys(parse_address(address) for address in addresses))
    found: dict[str, bool] = {}
    for start in range(0, len(wanted), MAX_ADDRESSES_PER_READ):
        part = wanted[start : start + MAX_ADDRESSES_PER_READ]
        answers = pool.batch([_call(oracle, address) for address in part])
        found |= {address: _answer(answer, oracle) for address, answer in zip(part, answers, strict=True)}
    return found


def _call(oracle: str, address: str) -> Call:
    return Call("eth_call", ({"to": oracle, "data": "0x" + abi.is_sanctioned(address).hex()}, "latest"))


def _answer(answer: object, oracle: str) -> bool:
    try:
        if isinstance(answer, RpcError):
            raise ValueError(answer.message)
        return abi.decode_bool(str(answer))
    except ValueError:
        raise OutsideUnknown(
            "oracle_unknown", f"the sanctions oracle {oracle} does not answer; check screening.oracle in the profile"
        ) from None
