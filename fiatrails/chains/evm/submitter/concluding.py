"""Finality: what is decided for ever, successes and reverts alike (finality for both ends), and nonces that others used
up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from django.db import connection
from django.db.backends.utils import CursorWrapper

from fiatrails.chains.core.pool import NOT_AGREED
from fiatrails.chains.core.rpc import Call, RpcError
from fiatrails.chains.evm.contracts.escrow import BatchItem
from fiatrails.chains.evm.submitter.headers import Header, HeaderChain, parse_header
from fiatrails.chains.evm.submitter.read_back import EscrowRecord, read_back
from fiatrails.chains.evm.submitter.receipts import Receipt, parse_receipt, receipt_mark
from fiatrails.chains.evm.submitter.states import IntentState, SlotResult, SlotState, intent_sources, slot_sources
from fiatrails.chains.evm.submitter.tick import ChainView, SlotRow, Tick
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.rows import json_rows

_log = structlog.get_logger()
_MAX_SLOTS = 32

_INTENTS = """
SELECT slot_id, intent_id, user_address, amount, tx_ref_hash, code FROM evm_slot_intent
WHERE slot_id = ANY(%s) AND state IN ('live', 'mined') ORDER BY id
"""
_FINAL = """
UPDATE evm_nonce_slot s SET state = 'final', result = t.result, final_at = %s, tx_hash = t.tx_hash,
    block_number = coalesce(t.number, s.block_number), block_hash = t.block_hash
FROM json_to_recordset(%s::json) AS t (id bigint, result text, tx_hash text, number bigint, block_hash text)
WHERE s.id = t.id AND s.state = ANY(%s)
RETURNING s.id
"""
_SUPERSEDE = """
UPDATE evm_attempt SET state = CASE WHEN hash = ANY(%s) THEN 'included' ELSE 'superseded' END WHERE slot_id = ANY(%s)
"""
_INTENTS_DONE = """
UPDATE evm_slot_intent i SET state = t.state, code = t.code, tx_hash = t.tx_hash, block_number = t.number,
    report_due = true
FROM json_to_recordset(%s::json)
    AS t (slot_id bigint, intent_id text, state text, code text, tx_hash text, number bigint)
WHERE i.slot_id = t.slot_id AND i.intent_id = t.intent_id AND i.state = ANY(%s)
"""
# The one place where a nonce comes from the chain after bootstrap: a finalized count only, and only upwards.
_ADVANCE = "UPDATE evm_lane SET next_nonce = greatest(next_nonce, %s) WHERE id = %s"


@dataclass(frozen=True, slots=True)
class _EndedSlot:
    """A slot whose nonce a finalized transaction used: ours with its receipt, or, without one, somebody else's."""

    slot: SlotRow
    receipt: Receipt | None

    @property
    def result(self) -> SlotResult:
        """Return how the slot ended."""
        if self.receipt is None:
            return SlotResult.USURPED
        return SlotResult.SUCCESS if self.receipt.succeeded else SlotResult.REVERTED


@dataclass(frozen=True, slots=True)
class _Member:
    """An intent of an ended slot; `code` says why it was left out of the signed batch."""

    slot_id: int
    item: BatchItem
    code: str


@dataclass(frozen=True, slots=True)
class _IntentEnd:
    """What an intent of an ended slot became."""

    slot_id: int
    intent_id: str
    state: IntentState
    code: str
    tx_hash: str
    block_number: int | None


def conclude(tick: Tick, view: ChainView, slots: Sequence[SlotRow], chain: HeaderChain) -> None:
    """Make included slots final once their block is, with receipts that two endpoints agree on (three configured)."""
    ready = [slot for slot in slots if slot.state is SlotState.INCLUDED and slot.block_number <= view.final_number]
    ready = [slot for slot in ready if chain.holds(slot.block_number, slot.block_hash)][:_MAX_SLOTS]
    final = chain.headers.get(view.final_number)
    if not ready or final is None:
        return
    answers = tick.pool.batch_quorum(
        [Call("eth_getTransactionReceipt", (slot.tx_hash,)) for slot in ready], key=receipt_mark
    )
    ended = []
    for slot, answer in zip(ready, answers, strict=True):
        receipt = parse_receipt(None if answer is NOT_AGREED else answer, tx_hash=slot.tx_hash, escrow=slot.escrow)
        if receipt is not None and receipt.block_hash == slot.block_hash:
            ended.append(_EndedSlot(slot, receipt))
    _write_ends(tick, ended, final)


def conclude_usurped(tick: Tick, view: ChainView, slots: Sequence[SlotRow]) -> None:
    """Conclude slots whose nonce the chain has used without any of our attempts having a receipt.

    Our bytes may still be the ones (a node that lags, a receipt that is not indexed), so nothing is sent again and
    nothing is concluded before the nonce is finalized and two endpoints that know the finalized block have none of our
    receipts (a slot is left on proof; absence needs two).
    """
    suspects = [slot for slot in slots if slot.state is not SlotState.INCLUDED and slot.nonce < view.nonce]
    if not suspects or view.final_number < 0:
        return
    answer = tick.pool.batch_quorum(
        [Call("eth_getBlockByNumber", (hex(view.final_number), False))], key=lambda raw: raw and raw.get("hash")
    )[0]
    final = parse_header(None if answer is NOT_AGREED else answer)
    if final is None:
        return
    count = _final_count(tick, final)
    usurped = [slot for slot in suspects if slot.nonce < count and _has_no_receipt(tick, slot, final)][:_MAX_SLOTS]
    if not usurped:
        return
    for slot in usurped:
        _log.error("chain.nonce_usurped", lane=tick.lease.lane_id, address=tick.lease.address, nonce=slot.nonce)
    tick.report.usurped += _write_ends(tick, [_EndedSlot(slot, None) for slot in usurped], final)
    with tick.lease.write() as cursor:
        cursor.execute(_ADVANCE, [count, tick.lease.lane_id])


def _final_count(tick: Tick, final: Header) -> int:
    """Transactions of the lane's address up to the finalized block; 0 when that is not agreed."""
    block = {"blockHash": final.hash, "requireCanonical": True}
    answer = tick.pool.batch_quorum([Call("eth_getTransactionCount", (tick.lease.address, block))])[0]
    return int(answer, 16) if isinstance(answer, str) else 0


def _has_no_receipt(tick: Tick, slot: SlotRow, final: Header) -> bool:
    """Whether no attempt of the slot has a receipt, by endpoints that hold the finalized block."""
    calls = [Call("eth_getBlockByHash", (final.hash, False))]
    calls += [Call("eth_getTransactionReceipt", (attempt.hash,)) for attempt in slot.attempts]
    witnesses = 0
    for header, *receipts in tick.pool.batch_each(calls):
        if parse_header(header) != final or any(isinstance(receipt, RpcError) for receipt in receipts):
            continue
        if any(receipt is not None for receipt in receipts):
            return False
        witnesses += 1
    return witnesses >= (2 if tick.pool.has_quorum else 1)


def _write_ends(tick: Tick, ended: Sequence[_EndedSlot], final: Header) -> int:
    """Write slots and intents together: a slot is final only when each of its intents has its end."""
    members = _members([one.slot.id for one in ended])
    decided = [
        (one, done)
        for one in ended
        if (done := _intent_ends(tick, one, members.get(one.slot.id, []), final)) is not None
    ]
    if not decided:
        return 0
    with tick.lease.write() as cursor:
        finished = _write_slots(cursor, tick, [one for one, _ in decided])
        done = [d for one, each in decided if one.slot.id in finished for d in each]
        _write_intents(cursor, done)
        notify()
    tick.report.final += len(finished)
    tick.report.executed += sum(d.state is IntentState.EXECUTED for d in done)
    tick.report.released += sum(d.state is IntentState.RELEASED for d in done)
    for one, each in decided:
        _log.info(
            "chain.final",
            lane=tick.lease.lane_id,
            nonce=one.slot.nonce,
            result=one.result.value,
            tx_hash=one.slot.tx_hash,
            executed=sum(d.state is IntentState.EXECUTED for d in each),
            released=sum(d.state is IntentState.RELEASED for d in each),
        )
    return len(finished)


def _members(slot_ids: Sequence[int]) -> dict[int, list[_Member]]:
    found: dict[int, list[_Member]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_INTENTS, [list(slot_ids)])
        for slot_id, intent_id, user, amount, tx_ref, code in cursor.fetchall():
            item = BatchItem(intent_id, user, int(amount), tx_ref)
            found.setdefault(slot_id, []).append(_Member(slot_id, item, code))
    return found


def _intent_ends(tick: Tick, one: _EndedSlot, members: Sequence[_Member], final: Header) -> list[_IntentEnd] | None:
    """Return what became of each intent; None when the escrow could not be asked: the slot then stays as it is."""
    receipt = one.receipt
    minted = {(m.intent_id, m.recipient, m.amount) for m in receipt.minted} if receipt and receipt.succeeded else set()
    left = [r for r in members if (r.item.intent_id, r.item.recipient, r.item.amount) not in minted]
    records: dict[str, EscrowRecord] | None = {}
    if left:
        settlements = [member.item for member in left]
        records = read_back(tick.pool, escrow=one.slot.escrow, settlements=settlements, final_hash=final.hash)
    if records is None:
        tick.report.held = tick.report.held or "escrow_unknown"
        return None
    return [_intent_end(one, member, records.get(member.item.intent_id)) for member in members]


def _intent_end(one: _EndedSlot, member: _Member, record: EscrowRecord | None) -> _IntentEnd:
    done = _IntentEnd(member.slot_id, member.item.intent_id, IntentState.EXECUTED, "", "", None)
    if record is None and one.receipt is not None:
        return replace(done, tx_hash=one.receipt.tx_hash, block_number=one.receipt.block_number)
    if record is not None and record.executed:
        return replace(done, code=record.code)
    code = (record.code if record else "") or _release_code(one, member)
    return replace(done, state=IntentState.RELEASED, code=code)


def _release_code(one: _EndedSlot, member: _Member) -> str:
    if one.receipt is None:
        return "usurped"
    skipped = one.receipt.skipped.get(member.item.intent_id)
    if skipped:
        return skipped
    return member.code or ("reverted" if not one.receipt.succeeded else "not_executed")


def _write_slots(cursor: CursorWrapper, tick: Tick, ended: Sequence[_EndedSlot]) -> set[int]:
    rows = [
        {
            "id": one.slot.id,
            "result": one.result.value,
            "tx_hash": one.receipt.tx_hash if one.receipt else "",
            "number": one.receipt.block_number if one.receipt else None,
            "block_hash": one.receipt.block_hash if one.receipt else "",
        }
        for one in ended
    ]
    cursor.execute(_FINAL, [tick.now(), json_rows(rows), slot_sources(SlotState.FINAL)])
    finished = {row[0] for row in cursor.fetchall()}
    cursor.execute(_SUPERSEDE, [[row["tx_hash"] for row in rows], list(finished)])
    return finished


def _write_intents(cursor: CursorWrapper, done: Sequence[_IntentEnd]) -> None:
    if not done:
        return
    rows = [
        {
            "slot_id": end.slot_id,
            "intent_id": end.intent_id,
            "state": end.state.value,
            "code": end.code,
            "tx_hash": end.tx_hash,
            "number": end.block_number,
        }
        for end in done
    ]
    cursor.execute(_INTENTS_DONE, [json_rows(rows), intent_sources(IntentState.EXECUTED)])
