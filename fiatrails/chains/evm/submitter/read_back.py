"""What the escrow says, at a finalized block, about intents that a finalized transaction of ours did not execute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from fiatrails.chains.core.rpc import MAX_BATCH
from fiatrails.chains.evm.contracts.contract import Read
from fiatrails.chains.evm.contracts.escrow import EXECUTED, BatchItem, MintEscrow, OnChainIntent
from fiatrails.chains.evm.pool import EvmPool

_log = structlog.get_logger()
T = TypeVar("T")

# As intentStates answers.
_STATE_CODES = {1: "escrow_pending", 3: "escrow_refunded", 4: "escrow_failed"}


@dataclass(frozen=True, slots=True)
class EscrowRecord:
    """`executed`: the escrow minted it, in whatever transaction. Otherwise a later order cannot mint it twice; `code`
    then overrides why (the escrow knows the id and will refuse it), and is empty when it knows nothing."""

    executed: bool
    code: str = ""


def read_back(
    pool: EvmPool, *, escrow: str, settlements: Sequence[BatchItem], final_hash: str
) -> dict[str, EscrowRecord] | None:
    """Return the escrow's record of each intent: the proof on which a slot is left. None when no trustworthy
    answer came (two endpoints must agree where three are configured): nothing leaves its slot then. The block is named
    by hash, so all answers are about one state."""
    contract = MintEscrow(escrow)
    try:
        states = _states(pool, contract, [one.intent_id for one in settlements], final_hash)
        executed = [one for one in settlements if states[one.intent_id] == EXECUTED]
        stored = _ask(pool, [contract.get_intent(one.intent_id) for one in executed], final_hash)
    except ValueError:
        return None
    records = {intent_id: EscrowRecord(False, _STATE_CODES.get(state, "")) for intent_id, state in states.items()}
    terms = zip(executed, stored, strict=True)
    return records | {one.intent_id: EscrowRecord(True, _executed_as(one, found, escrow)) for one, found in terms}


def _states(pool: EvmPool, contract: MintEscrow, intent_ids: Sequence[str], final_hash: str) -> dict[str, int]:
    states: dict[str, int] = {}
    for start in range(0, len(intent_ids), MAX_BATCH):
        part = intent_ids[start : start + MAX_BATCH]
        (found,) = _ask(pool, [contract.intent_states(part)], final_hash)
        states |= dict(zip(part, found, strict=True))
    return states


def _executed_as(settlement: BatchItem, stored: OnChainIntent, escrow: str) -> str:
    """ "Already executed" is success only after reading back whose and how much it was."""
    if stored == OnChainIntent(recipient=settlement.recipient, amount=settlement.amount):
        return "already_executed"
    _log.error("chain.executed_with_other_terms", intent_id=settlement.intent_id, escrow=escrow)
    return "terms_differ"


def _ask(pool: EvmPool, reads: Sequence[Read[T]], block_hash: str) -> list[T]:
    """Agreed answers at the block; ValueError where there is none."""
    block = {"blockHash": block_hash, "requireCanonical": True}
    answers = pool.batch_quorum([read.call(block) for read in reads])
    return [read.decode(answer) for read, answer in zip(reads, answers, strict=True)]
