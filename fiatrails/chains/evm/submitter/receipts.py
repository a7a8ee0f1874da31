"""Receipts of eth_getTransactionReceipt and the escrow's events in them. Pure.

A batch of 100 mints has some 300 logs: topics are compared as text and three words are cut out, no ABI machinery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fiatrails.chains.evm.contracts.abi import MINT_EXECUTED, MINT_SKIPPED, SKIP_CODES

_WORD = 64


@dataclass(frozen=True, slots=True)
class Minted:
    """One MintExecuted: `amount` base units to `user` for the intent."""

    intent_id: str
    user: str
    amount: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction. `minted` and `skipped` (intent -> code name) come from the one escrow asked about."""

    tx_hash: str
    block_hash: str
    block_number: int
    succeeded: bool
    gas_used: int
    minted: tuple[Minted, ...]
    skipped: Mapping[str, str]


def parse_receipt(raw: Any, *, tx_hash: str, escrow: str) -> Receipt | None:
    """Receipt of `tx_hash`, or None when the answer is null, of another transaction, pending or malformed: it then
    proves nothing. Logs of other contracts than `escrow` (lower case; empty: all ignored) do not count."""
    try:
        if raw is None or raw["transactionHash"].lower() != tx_hash:
            return None
        block_hash, number = raw["blockHash"], raw["blockNumber"]
        if not block_hash or not number:
            return None
        minted, skipped = _events(raw.get("logs") or (), escrow)
        return Receipt(
            tx_hash=tx_hash,
            block_hash=block_hash.lower(),
            block_number=int(number, 16),
            succeeded=int(raw["status"], 16) == 1,
            gas_used=int(raw["gasUsed"], 16),
            minted=tuple(minted),
            skipped=skipped,
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None


def receipt_mark(raw: Any) -> Any:
    """What two endpoints must agree on about a receipt; clients differ in the other fields."""
    if not isinstance(raw, dict):
        return None
    logs = [
        (log.get("address", "").lower(), tuple(log.get("topics", ())), log.get("data")) for log in raw.get("logs", ())
    ]
    return (raw.get("blockHash"), raw.get("status"), tuple(logs))


def _events(logs: Any, escrow: str) -> tuple[list[Minted], dict[str, str]]:
    minted: list[Minted] = []
    skipped: dict[str, str] = {}
    for log in logs:
        topics = log["topics"]
        if not escrow or not topics or log["address"].lower() != escrow:
            continue
        if topics[0] == MINT_EXECUTED:
            amount = int(log["data"][2 : 2 + _WORD], 16)
            minted.append(Minted(topics[1].lower(), "0x" + topics[2][-40:].lower(), amount))
        elif topics[0] == MINT_SKIPPED:
            code = int(log["data"], 16)
            skipped[topics[1].lower()] = SKIP_CODES.get(code, f"skip_code_{code}")
    return minted, skipped
