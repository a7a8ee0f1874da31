"""What the submitter is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from fiatrails.chains.core.clearance import Clearance


@dataclass(frozen=True, slots=True)
class MintOrder:
    """Mint `amount` base units of the token of `country_code` to `recipient`; `tx_ref_hash` is the bytes32 that the
    escrow hashes into the intent id. `alone`: settle in a transaction of its own (after a batch was rejected)."""

    intent_id: str
    recipient: str
    amount: int
    country_code: str
    tx_ref_hash: str
    clearance: Clearance
    alone: bool = False
