"""Signed bytes: made inside the lease, committed, then sent (bytes before broadcast); sent again as they are; replaced
for a price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import connection

from fiatrails.chains.evm.contracts.escrow import MintEscrow
from fiatrails.chains.evm.pool import SendReply
from fiatrails.chains.evm.signer import SignedTransaction, TransactionFields
from fiatrails.chains.evm.submitter.answers import SendOutcome, classify, combined
from fiatrails.chains.evm.submitter.fees import Fees, first_offer, is_priced_out, replacement
from fiatrails.chains.evm.submitter.simulation import Deferral, SigningPlan, batch_items, make_plans
from fiatrails.chains.evm.submitter.states import SlotKind, SlotState, attempt_after_send, is_published
from fiatrails.chains.evm.submitter.tick import ChainView, SlotRow, Tick, raw_bytes
from fiatrails.controls import modes
from fiatrails.kernel import metrics
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import Unavailable
from fiatrails.kernel.rows import json_rows

_log = structlog.get_logger()

SIGN_PER_TICK = 8
RESEND_PER_TICK = 32
# Bytes that no block took for this many block times go out again; identical bytes do no harm.
_RESEND_AFTER_BLOCKS = 3

_INSERT_ATTEMPTS = """
INSERT INTO evm_attempt (slot_id, hash, raw, max_fee, tip, gas, signed_at_block, created_at)
SELECT slot_id, hash, decode(raw, 'hex'), max_fee, tip, gas, %s, %s FROM json_to_recordset(%s::json)
    AS t (slot_id bigint, hash text, raw text, max_fee bigint, tip bigint, gas bigint)
RETURNING slot_id, id
"""
_PLANNED = """
UPDATE evm_nonce_slot s SET kind = t.kind, gas = t.gas, error = t.error
FROM json_to_recordset(%s::json) AS t (id bigint, kind text, gas bigint, error text) WHERE s.id = t.id
"""
_LEFT_OUT = """
UPDATE evm_slot_intent i SET code = t.code
FROM json_to_recordset(%s::json) AS t (slot_id bigint, intent_id text, code text)
WHERE i.slot_id = t.slot_id AND i.intent_id = t.intent_id AND i.state = 'live'
"""
_SENT = """
INSERT INTO evm_broadcast (attempt_id, endpoint, outcome, detail, at)
SELECT attempt_id, endpoint, outcome, detail, %s FROM json_to_recordset(%s::json)
    AS t (attempt_id bigint, endpoint text, outcome text, detail text)
"""
_ATTEMPT_SENT = """
UPDATE evm_attempt a SET state = t.state FROM json_to_recordset(%s::json) AS t (id bigint, state text)
WHERE a.id = t.id AND a.state IN ('signed', 'ambiguous') AND t.state <> 'signed'
"""
_SLOT_SENT = """
UPDATE evm_nonce_slot SET last_sent_at = %s, published_at = coalesce(published_at, %s), refusal = '',
    state = CASE WHEN state = ANY(%s) THEN 'published' ELSE state END
WHERE id = ANY(%s)
"""
_SLOT_REFUSED = """
UPDATE evm_nonce_slot s SET refusal = t.refusal, last_sent_at = %s
FROM json_to_recordset(%s::json) AS t (id bigint, refusal text) WHERE s.id = t.id
"""
_LAST_PROGRESS = """
SELECT block_number FROM evm_nonce_slot WHERE lane_id = %s AND block_number IS NOT NULL ORDER BY nonce DESC LIMIT 1
"""
_REWOUND = """
SELECT s.id, a.id, s.nonce FROM evm_nonce_slot s JOIN evm_attempt a ON a.slot_id = s.id AND a.hash = s.tx_hash
WHERE s.lane_id = %s AND s.nonce >= %s AND s.state = 'final' AND (s.last_sent_at IS NULL OR s.last_sent_at <= %s)
ORDER BY s.nonce LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class _Unsigned:
    """Bytes to sign for a slot."""

    slot: SlotRow
    to: str
    data: bytes
    gas: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class _Sending:
    """Committed bytes on their way out."""

    slot_id: int
    attempt_id: int
    nonce: int


def publish(tick: Tick, view: ChainView, slots: Sequence[SlotRow]) -> None:
    """Sign reserved slots in nonce order and send them, first what a crash left signed and unsent.

    No gaps: nothing is signed beyond a nonce that was never sent, so a node never holds N + 1 while N does not exist.
    """
    reserved = [slot for slot in slots if slot.state is SlotState.RESERVED and slot.nonce >= view.nonce]
    leftovers = [slot for slot in reserved if slot.attempts]
    if leftovers:
        # One that was refused before goes alone until it is taken.
        retry = leftovers[:1] if leftovers[0].refusal else leftovers[:SIGN_PER_TICK]
        _send(tick, [_Sending(slot.id, slot.newest.id, slot.nonce) for slot in retry])
        return
    if reserved and _may_sign(tick, view, slots):
        _publish_reserved(tick, view, reserved[:SIGN_PER_TICK])


def _may_sign(tick: Tick, view: ChainView, slots: Sequence[SlotRow]) -> bool:
    if is_gapped(view, slots):
        _hold(tick, f"nonce_gap: the chain waits for nonce {view.nonce}; see `fiatrails nonce repair`")
        return False
    try:
        modes.check(modes.Flow.MINT, now=tick.now(), scopes=(f"evm:{profile().chain_id}",))
    except Unavailable as stopped:
        # Bytes that are out already are still followed; nothing new is signed.
        _hold(tick, f"mode: {stopped.code}")
        return False
    return True


def _publish_reserved(tick: Tick, view: ChainView, slots: Sequence[SlotRow]) -> None:
    fees = first_offer(view.market, tick.policy)
    if fees is None:
        _hold(tick, f"fee_cap: the next block costs {view.market.base_fee} wei per gas")
        return
    plans = make_plans(tick, slots)
    for deferral in (each for each in plans if isinstance(each, Deferral)):
        _hold(tick, deferral.reason)
    ready = [each for each in plans if isinstance(each, SigningPlan)]
    if ready:
        unsigned = [_Unsigned(plan.slot, plan.to, plan.data, plan.gas, fees) for plan in ready]
        _send(tick, _commit(tick, view, unsigned, ready))


def resend(tick: Tick, view: ChainView, slots: Sequence[SlotRow]) -> None:
    """Send the same bytes again for what no block takes, at once after a reorganisation; pay more for the lowest
    nonce."""
    waiting = [slot for slot in slots if slot.state is SlotState.PUBLISHED and slot.nonce >= view.nonce]
    if not waiting:
        return
    # A price helps only the nonce that the chain waits for: below another one may be a block whose loss is not noticed
    # yet, and every bump in vain makes the next one dearer.
    if waiting[0].nonce == view.nonce and _is_stuck(tick, view, waiting[0]):
        _bump(tick, view, waiting)
        return
    due = [slot for slot in waiting if _is_due(tick, slot)][:RESEND_PER_TICK]
    # As long as the lowest is fresh, the lane moves and the others merely queue.
    if due and due[0] is waiting[0]:
        metrics.retry_attempts.labels("broadcast").inc(len(due))
        tick.report.rebroadcast += len(due)
        _send(tick, [_Sending(slot.id, slot.newest.id, slot.nonce) for slot in due], everywhere=True)


def resend_rewound(tick: Tick, view: ChainView) -> None:
    """Send final bytes again where the chain counts fewer transactions than are final here: a reorganisation deeper
    than finality, or a node that is behind. The same bytes go out again, which heals the one and does nothing to the
    other; without them every later nonce would wait for ever."""
    before = tick.now() - _resend_pause(tick)
    with connection.cursor() as cursor:
        cursor.execute(_REWOUND, [tick.lease.lane_id, view.nonce, before, RESEND_PER_TICK])
        rows = [_Sending(*row) for row in cursor.fetchall()]
    if rows:
        _log.error("chain.nonce_rewound", lane=tick.lease.lane_id, chain_nonce=view.nonce, slots=len(rows))
        tick.report.notes.append("nonce_rewound")
        tick.report.rebroadcast += len(rows)
        _send(tick, rows, everywhere=True)


def is_gapped(view: ChainView, slots: Sequence[SlotRow]) -> bool:
    """Return whether the chain waits for a nonce below everything that is open here: nothing above it can be mined, so
    nothing new is signed (no gaps) and no price helps. Passes by itself when the node was merely behind."""
    return bool(slots) and slots[0].nonce > view.nonce


def _is_due(tick: Tick, slot: SlotRow) -> bool:
    return slot.last_sent_at is None or tick.now() - slot.last_sent_at >= _resend_pause(tick)


def _resend_pause(tick: Tick) -> timedelta:
    return timedelta(milliseconds=_RESEND_AFTER_BLOCKS * tick.evm.block_time_ms)


def _is_stuck(tick: Tick, view: ChainView, lowest: SlotRow) -> bool:
    """Whether blocks went by without the lane moving. Measured from the last progress too: a nonce that only now became
    the lowest was merely waiting for its turn."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST_PROGRESS, [tick.lease.lane_id])
        row = cursor.fetchone()
    since = max(lowest.newest.signed_at_block, row[0] if row else 0)
    return view.head.number - since >= tick.evm.bump_after_blocks


def _bump(tick: Tick, view: ChainView, waiting: Sequence[SlotRow]) -> None:
    """Replace the lowest nonce first, and with it those behind it that no block can afford (no gaps; a replacement pays
    more). A replacement is a new attempt; whichever is mined decides (every attempt is asked about)."""
    chosen = [waiting[0]]
    for slot in waiting[1:SIGN_PER_TICK]:
        if not is_priced_out(slot.newest.fees, view.market):
            break
        chosen.append(slot)
    unsigned = []
    for slot in chosen:
        fees = replacement(slot.newest.fees, view.market, tick.policy)
        if fees is None:
            _hold(tick, f"fee_cap: nonce {slot.nonce} would have to pay more than the cap")
            break
        unsigned.append(_unsigned_replacement(tick, slot, fees))
    if not unsigned:
        _send(tick, [_Sending(s.id, s.newest.id, s.nonce) for s in chosen if _is_due(tick, s)], everywhere=True)
        return
    metrics.retry_attempts.labels("bump").inc(len(unsigned))
    tick.report.bumped += len(unsigned)
    for each in unsigned:
        _log.warning("chain.bumped", lane=tick.lease.lane_id, nonce=each.slot.nonce, max_fee=each.fees.max_fee)
    _send(tick, _commit(tick, view, unsigned, []))


def _unsigned_replacement(tick: Tick, slot: SlotRow, fees: Fees) -> _Unsigned:
    """Return the same call at another price."""
    if slot.kind is SlotKind.NOOP:
        return _Unsigned(slot, tick.lease.address, b"", slot.gas, fees)
    if slot.kind is SlotKind.CALL:
        return _Unsigned(slot, slot.to_address, slot.calldata, slot.gas, fees)
    items = [item for item, _ in batch_items([slot.id])[slot.id]]
    return _Unsigned(slot, slot.to_address, MintEscrow.settle_batch(items), slot.gas, fees)


def _commit(tick: Tick, view: ChainView, unsigned: Sequence[_Unsigned], plans: Sequence[SigningPlan]) -> list[_Sending]:
    """Signs, then commits bytes, plan and what was left out, all at once. Nothing has left yet: a crash after this
    finds the bytes, a crash before it finds a slot without an attempt and signs again."""
    tick.lease.renew()
    signed = [_sign(tick, each) for each in unsigned]
    attempts = [
        {
            "slot_id": each.slot.id,
            "hash": made.hash,
            "raw": made.raw,
            "max_fee": each.fees.max_fee,
            "tip": each.fees.tip,
            "gas": each.gas,
        }
        for each, made in zip(unsigned, signed, strict=True)
    ]
    planned = [{"id": plan.slot.id, "kind": plan.kind.value, "gas": plan.gas, "error": plan.error} for plan in plans]
    left_out = [
        {"slot_id": plan.slot.id, "intent_id": intent_id, "code": code}
        for plan in plans
        for intent_id, code in plan.left_out.items()
    ]
    with tick.lease.write() as cursor:
        cursor.execute(_INSERT_ATTEMPTS, [view.head.number, tick.now(), json_rows(attempts)])
        attempt_of = dict(cursor.fetchall())
        cursor.execute(_PLANNED, [json_rows(planned)])
        cursor.execute(_LEFT_OUT, [json_rows(left_out)])
    tick.report.signed += len(unsigned)
    for each, made in zip(unsigned, signed, strict=True):
        _log.info("chain.signed", lane=tick.lease.lane_id, nonce=each.slot.nonce, tx_hash=made.hash, gas=each.gas)
    return [_Sending(each.slot.id, attempt_of[each.slot.id], each.slot.nonce) for each in unsigned]


def _sign(tick: Tick, unsigned: _Unsigned) -> SignedTransaction:
    fields = TransactionFields(
        chain_id=tick.lease.chain_id,
        nonce=unsigned.slot.nonce,
        to=unsigned.to,
        data=unsigned.data,
        gas=unsigned.gas,
        max_fee=unsigned.fees.max_fee,
        tip=unsigned.fees.tip,
    )
    return tick.signer.sign_transaction(fields)


def _send(tick: Tick, sendings: Sequence[_Sending], *, everywhere: bool = False) -> None:
    """Send committed bytes in nonce order and record what each endpoint said."""
    if not sendings:
        return
    raws = raw_bytes(s.attempt_id for s in sendings)
    replies = tick.pool.broadcast([raws[s.attempt_id] for s in sendings], everywhere=everywhere)
    outcomes = [combined([classify(reply) for reply in each]) for each in replies]
    _record(tick, sendings, replies, outcomes)
    tick.report.published += sum(is_published(outcome) for outcome in outcomes)
    _report_refusals(tick, sendings, replies, outcomes)


def _record(
    tick: Tick, sendings: Sequence[_Sending], replies: Sequence[Sequence[SendReply]], outcomes: Sequence[SendOutcome]
) -> None:
    now = tick.now()
    sent = [
        {
            "attempt_id": sending.attempt_id,
            "endpoint": reply.endpoint,
            "outcome": classify(reply).value,
            "detail": _detail(reply),
        }
        for sending, each in zip(sendings, replies, strict=True)
        for reply in each
    ]
    pairs = list(zip(sendings, outcomes, strict=True))
    states = [{"id": s.attempt_id, "state": attempt_after_send(outcome).value} for s, outcome in pairs]
    published = [s.slot_id for s, outcome in pairs if is_published(outcome)]
    refused = [{"id": s.slot_id, "refusal": outcome.value} for s, outcome in pairs if not is_published(outcome)]
    with tick.lease.write() as cursor:
        cursor.execute(_SENT, [now, json_rows(sent)])
        cursor.execute(_ATTEMPT_SENT, [json_rows(states)])
        cursor.execute(_SLOT_SENT, [now, now, [SlotState.RESERVED.value], published])
        cursor.execute(_SLOT_REFUSED, [now, json_rows(refused)])


def _detail(reply: SendReply) -> str:
    return reply.unknown if reply.error is None else f"{reply.error.code} {reply.error.message[:200]}"


def _report_refusals(
    tick: Tick, sendings: Sequence[_Sending], replies: Sequence[Sequence[SendReply]], outcomes: Sequence[SendOutcome]
) -> None:
    """Says what an operator must know; what is merely unknown heals by itself."""
    for sending, each, outcome in zip(sendings, replies, outcomes, strict=True):
        if outcome in (SendOutcome.ACCEPTED, SendOutcome.KNOWN):
            continue
        _log.warning(
            "chain.send_unsure",
            lane=tick.lease.lane_id,
            nonce=sending.nonce,
            outcome=outcome.value,
            said=[_detail(reply) for reply in each],
        )
        if outcome in (SendOutcome.NO_FUNDS, SendOutcome.REFUSED, SendOutcome.NOT_SENT):
            _hold(tick, f"{outcome.value}: nonce {sending.nonce}")


def _hold(tick: Tick, reason: str) -> None:
    tick.report.held = tick.report.held or reason
