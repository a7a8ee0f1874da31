"""Receipts of eth_getTransactionReceipt and the escrow's events in them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fiatrails.chains.evm.contracts.escrow import Minted, MintEscrow


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
    """Return the receipt of `tx_hash`, or None when the answer is null, of another transaction, pending or malformed:
    it then proves nothing. Logs of other contracts than `escrow` (lower case; empty: all ignored) do not count."""
    try:
        if raw is None or raw["transactionHash"].lower() != tx_hash:
            return None
        block_hash, number = raw["blockHash"], raw["blockNumber"]
        if not block_hash or not number:
            return None
        minted, skipped = MintEscrow(escrow).events(raw.get("logs") or ())
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
    """Return what two endpoints must agree on about a receipt; clients differ in the other fields."""
    if not isinstance(raw, dict):
        return None
    logs = [
        (log.get("address", "").lower(), tuple(log.get("topics", ())), log.get("data")) for log in raw.get("logs", ())
    ]
    return (raw.get("blockHash"), raw.get("status"), tuple(logs))
