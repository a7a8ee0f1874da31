"""What was mined, and what a reorganisation took back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from django.db.backends.utils import CursorWrapper

from fiatrails.chains.core.rpc import Call
from fiatrails.chains.evm.submitter import window
from fiatrails.chains.evm.submitter.headers import HeaderChain, follow
from fiatrails.chains.evm.submitter.receipts import Receipt, parse_receipt
from fiatrails.chains.evm.submitter.states import IntentState, SlotState, intent_sources, slot_sources
from fiatrails.chains.evm.submitter.tick import ChainView, SlotRow, Tick
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.rows import json_rows

_log = structlog.get_logger()

_SLOT_BACK = """
UPDATE evm_nonce_slot SET state = 'published', last_sent_at = NULL, tx_hash = '', block_number = NULL,
    block_hash = ''
WHERE id = ANY(%s) AND state = ANY(%s)
"""
_ATTEMPT_BACK = "UPDATE evm_attempt SET state = 'ambiguous' WHERE slot_id = ANY(%s) AND state = 'included'"
_INTENTS_BACK = """
UPDATE evm_slot_intent SET state = 'live', tx_hash = '', block_number = NULL, report_due = (reported = 'mined')
WHERE slot_id = ANY(%s) AND state = 'mined'
"""
_SLOT_INCLUDED = """
UPDATE evm_nonce_slot s SET state = 'included', tx_hash = t.tx_hash, block_number = t.number,
    block_hash = t.block_hash, published_at = coalesce(s.published_at, %s), refusal = ''
FROM json_to_recordset(%s::json) AS t (id bigint, tx_hash text, number bigint, block_hash text)
WHERE s.id = t.id AND s.state = ANY(%s)
"""
_ATTEMPT_INCLUDED = "UPDATE evm_attempt SET state = 'included' WHERE hash = ANY(%s)"
_INCLUSIONS = """
INSERT INTO evm_inclusion (attempt_id, block_hash, block_number, succeeded, gas_used, seen_at)
SELECT a.id, t.block_hash, t.number, t.succeeded, t.gas_used, %s
FROM json_to_recordset(%s::json)
    AS t (tx_hash text, block_hash text, number bigint, succeeded boolean, gas_used bigint)
JOIN evm_attempt a ON a.hash = t.tx_hash
ON CONFLICT DO NOTHING
"""
_INTENTS_MINED = """
UPDATE evm_slot_intent i SET state = 'mined', tx_hash = t.tx_hash, block_number = t.number,
    report_due = (reported <> 'mined')
FROM json_to_recordset(%s::json)
    AS t (intent_id text, user_address text, amount numeric, tx_hash text, number bigint)
WHERE i.slot_id = ANY(%s) AND i.intent_id = t.intent_id AND i.user_address = t.user_address AND i.amount = t.amount
    AND i.state = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class SeenReceipt:
    """A receipt of one of a slot's attempts, in a block that is canonical now."""

    slot: SlotRow
    receipt: Receipt


def track(tick: Tick, view: ChainView, slots: Sequence[SlotRow]) -> HeaderChain:
    """Record inclusions and take back those whose block is no longer canonical; return the linked chain.

    Canonical means linked by parent hash to the head (finality for both ends), so a changed block hash is noticed even
    where heights and receipts look the same."""
    receipts_seen = _receipts(tick, view, slots)
    included = [slot for slot in slots if slot.state is SlotState.INCLUDED]
    heights = [seen_receipt.receipt.block_number for seen_receipt in receipts_seen]
    stored_floor = window.lowest_undecided(tick.lease.chain_id)
    floor = min((*heights, *(() if stored_floor is None else (stored_floor,))), default=None)
    if floor is None:
        return HeaderChain({})
    known = window.load(tick.lease.chain_id, floor)
    chain = follow(known, head=view.head, floor=floor, fetch=lambda numbers: window.fetch_headers(tick.pool, numbers))
    if chain is known and view.head.number >= floor and not known.holds(view.head.number, view.head.hash):
        # Once is a node that changed its mind while it was asked. Pass after pass it is a node whose blocks contradict
        # each other: nothing is believed, so nothing becomes final, and whoever looks at the lane must see why.
        tick.report.held = f"unlinked: block {view.head.number} does not link to the blocks below it"
    orphans = [slot for slot in included if _is_orphan(slot, known, chain)]
    seen = [s for s in receipts_seen if chain.holds(s.receipt.block_number, s.receipt.block_hash)]
    if orphans or seen or chain is not known:
        with tick.lease.write() as cursor:
            window.save(cursor, tick.lease.chain_id, known, chain, floor)
            _undo_inclusions(cursor, orphans)
            _record(cursor, tick, seen)
            if orphans or seen:
                notify()
    _report(tick, orphans, seen)
    return chain


def _is_orphan(slot: SlotRow, known: HeaderChain, chain: HeaderChain) -> bool:
    canonical = chain.holds(slot.block_number, slot.block_hash)
    if canonical is not None:
        return not canonical
    # The chain was rewritten and is now shorter than this inclusion: its block is gone. (A node that is merely behind
    # leaves `chain` as it was.)
    return chain is not known and chain.tip is not None and slot.block_number > chain.tip.number


def _receipts(tick: Tick, view: ChainView, slots: Sequence[SlotRow]) -> list[SeenReceipt]:
    """Receipts of every attempt (every attempt is asked about) of slots whose nonce the chain has used. A null proves
    nothing (absence needs two)."""
    waiting = [slot for slot in slots if slot.state is not SlotState.INCLUDED and slot.nonce < view.nonce]
    asked = [(slot, attempt) for slot in waiting for attempt in slot.attempts]
    answers = tick.pool.batch([Call("eth_getTransactionReceipt", (attempt.hash,)) for _, attempt in asked])
    found = []
    for (slot, attempt), answer in zip(asked, answers, strict=True):
        receipt = parse_receipt(answer, tx_hash=attempt.hash, escrow=slot.escrow)
        if receipt is not None:
            found.append(SeenReceipt(slot, receipt))
    return found


def _undo_inclusions(cursor: CursorWrapper, orphans: Iterable[SlotRow]) -> None:
    """Back to published with nothing sent yet, so that the same bytes go out again at once: a reorganisation need not
    return transactions to the pool."""
    ids = [slot.id for slot in orphans]
    if ids:
        cursor.execute(_SLOT_BACK, [ids, slot_sources(SlotState.PUBLISHED)])
        cursor.execute(_ATTEMPT_BACK, [ids])
        cursor.execute(_INTENTS_BACK, [ids])


def _record(cursor: CursorWrapper, tick: Tick, seen: Sequence[SeenReceipt]) -> None:
    if not seen:
        return
    now = tick.now()
    ids = [s.slot.id for s in seen]
    receipts = [s.receipt for s in seen]
    inclusions = [
        {
            "id": one.slot.id,
            "tx_hash": one.receipt.tx_hash,
            "block_hash": one.receipt.block_hash,
            "number": one.receipt.block_number,
            "succeeded": one.receipt.succeeded,
            "gas_used": one.receipt.gas_used,
        }
        for one in seen
    ]
    cursor.execute(_SLOT_INCLUDED, [now, json_rows(inclusions), slot_sources(SlotState.INCLUDED)])
    cursor.execute(_ATTEMPT_INCLUDED, [[receipt.tx_hash for receipt in receipts]])
    cursor.execute(_INCLUSIONS, [now, json_rows(inclusions)])
    minted = [
        {
            "intent_id": mint.intent_id,
            "user_address": mint.recipient,
            "amount": mint.amount,
            "tx_hash": receipt.tx_hash,
            "number": receipt.block_number,
        }
        for receipt in receipts
        if receipt.succeeded
        for mint in receipt.minted
    ]
    cursor.execute(_INTENTS_MINED, [json_rows(minted), ids, intent_sources(IntentState.MINED)])


def _report(tick: Tick, orphans: Sequence[SlotRow], seen: Sequence[SeenReceipt]) -> None:
    tick.report.included += len(seen)
    tick.report.reorganised += len(orphans)
    for slot in orphans:
        _log.warning("chain.reorganised", lane=tick.lease.lane_id, nonce=slot.nonce, tx_hash=slot.tx_hash)
    for seen_receipt in seen:
        _log.info(
            "chain.included",
            lane=tick.lease.lane_id,
            nonce=seen_receipt.slot.nonce,
            tx_hash=seen_receipt.receipt.tx_hash,
            block=seen_receipt.receipt.block_number,
            succeeded=seen_receipt.receipt.succeeded,
            minted=len(seen_receipt.receipt.minted),
            skipped=len(seen_receipt.receipt.skipped),
        )
