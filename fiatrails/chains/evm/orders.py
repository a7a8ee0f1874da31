"""What the rest of the product asks of a chain, and what the chain answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fiatrails.chains.core.clearance import Clearance


@dataclass(frozen=True, slots=True)
class MintOrder:
    """Mint `amount` base units of the token of `country_code` to `user`; `tx_ref_hash` is the bytes32 that the
    escrow hashes into the intent id. `alone`: settle in a transaction of its own (after a batch was rejected)."""

    intent_id: str
    user: str
    amount: int
    country_code: str
    tx_ref_hash: str
    clearance: Clearance
    alone: bool = False


class OutcomeKind(StrEnum):
    """MINED may still be undone (UNMINED); EXECUTED and RELEASED are final on chain.

    RELEASED: a finalized transaction of ours used the nonce without executing this intent *and* the escrow says it
    is unused: a new order for it cannot mint twice. `code` says why it was skipped.
    """

    MINED = "mined"
    UNMINED = "unmined"
    EXECUTED = "executed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One change that the chain made to an order."""

    intent_id: str
    kind: OutcomeKind
    tx_hash: str | None
    block_number: int | None
    code: str
