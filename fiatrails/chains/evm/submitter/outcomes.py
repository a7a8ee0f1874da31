"""What the chain did to orders, told once, in the transaction in which their owner acts on it."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from fiatrails.chains.core.chain import Outcome, OutcomeKind

# One step of (state, reported) per row and call: an intent executed before anybody heard that it was mined is first
# reported as mined and stays due. `reported` afterwards names the step. SKIP LOCKED: two takers never get one row.
_TAKE = """
WITH due AS (
    SELECT id, state, reported FROM evm_slot_intent WHERE report_due ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
), step AS (
    SELECT id, state, CASE
        WHEN state = 'live' THEN ''
        WHEN state = 'released' AND reported = 'mined' THEN ''
        WHEN state = 'executed' AND reported = '' THEN 'mined'
        ELSE state END AS outcome
    FROM due
)
UPDATE evm_slot_intent AS i
SET reported = step.outcome, report_due = step.state NOT IN ('live', 'mined') AND step.outcome <> step.state
FROM step WHERE i.id = step.id
RETURNING i.id, i.intent_id, step.outcome, i.tx_hash, i.block_number, i.code
"""
_KINDS = {
    "": OutcomeKind.UNMINED,
    "mined": OutcomeKind.MINED,
    "executed": OutcomeKind.EXECUTED,
    "released": OutcomeKind.RELEASED,
}


def take(limit: int, *, now: datetime) -> list[Outcome]:  # noqa: ARG001 - every domain function receives the time
    """Return up to `limit` changes that were not reported yet, oldest slots first, at most one per intent.

    Runs inside the caller's transaction: if that rolls back, nothing counts as told. Per intent the order is MINED,
    perhaps UNMINED and MINED again, then EXECUTED; or RELEASED. A MINED that was undone before anyone took it is not
    reported. Call again until the list is empty.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("take() runs inside the transaction that acts on the outcomes")
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [limit])
        rows = sorted(cursor.fetchall())
    return [
        Outcome(intent_id, _KINDS[outcome], tx_hash or None, block, code)
        for _, intent_id, outcome, tx_hash, block, code in rows
    ]
