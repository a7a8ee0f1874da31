"""The token of one country. Source: contracts/src/CountryTokenBase.sol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fiatrails.chains.core.rpc import Call
from fiatrails.chains.evm.contracts.contract import Contract, Read
from fiatrails.chains.evm.contracts.encoding import load

_TOTAL_SUPPLY = load("CountryToken").function("totalSupply")
_TRANSFER = load("CountryToken").event("Transfer")
_read_burnt = _TRANSFER.reader("from", "value")
_ZERO_WORD = "0x" + "00" * 32


@dataclass(frozen=True, slots=True)
class Burnt:
    """One Transfer to the zero address: `tokens` base units of `holder`."""

    holder: str
    tokens: int


class CountryToken(Contract):
    """The token that the escrow mints."""

    def total_supply(self) -> Read[int]:
        """Ask how many base units there are."""
        return self._value(_TOTAL_SUPPLY)


def burns_between(tokens: Sequence[str], first: int, last: int) -> Call:
    """Ask for the logs of what was burnt of these tokens in the blocks, both ends included; `read_burnt` reads each."""
    topics = [_TRANSFER.topic, None, _ZERO_WORD]
    return Call("eth_getLogs", ({"address": [*tokens], "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)},))


def read_burnt(log: Mapping[str, Any]) -> Burnt:
    """Return what a log of `burns_between` says was burnt."""
    if log["topics"][0] != _TRANSFER.topic or log["topics"][2] != _ZERO_WORD:
        raise ValueError("a log that was not asked for")
    return Burnt(*_read_burnt(log))
