"""Slots that nothing was signed for yet. Whoever has to wait leaves them, so that nobody waits behind.

Bytes exist only as rows of attempts, written under the lane's fence (bytes before broadcast). Where there is none, no
node can execute the slot's orders, and that is the proof on which an order leaves its slot at once: because its
clearance has expired, its contracts are paused, or its coins are not there. What is left moves down to the lowest
nonces; slots that become empty are vacant, use up no nonce, and go to the next orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import connection
from django.db.backends.utils import CursorWrapper

from fiatrails.chains.evm.submitter import funds
from fiatrails.chains.evm.submitter.states import SlotKind, SlotState
from fiatrails.chains.evm.submitter.tick import SlotRow, Tick, open_slots
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.kernel.rows import json_rows

_log = structlog.get_logger()
EXPIRED = "clearance_expired"

_UNSIGNED = """
SELECT s.id, s.kind, s.to_address, s.country FROM evm_nonce_slot s
WHERE s.lane_id = %s AND s.state = 'reserved' AND NOT EXISTS (SELECT FROM evm_attempt a WHERE a.slot_id = s.id)
ORDER BY s.nonce
"""
_MEMBERS = """
SELECT id, slot_id, amount, cleared_until FROM evm_slot_intent WHERE slot_id = ANY(%s) AND state = 'live' ORDER BY id
"""
_LEAVE = """
UPDATE evm_slot_intent i SET state = 'released', code = t.code, report_due = true
FROM json_to_recordset(%s::json) AS t (id bigint, code text) WHERE i.id = t.id AND i.state = 'live'
"""
_MOVE = "UPDATE evm_slot_intent SET slot_id = %s WHERE slot_id = %s AND state = 'live'"
_BECOME = "UPDATE evm_nonce_slot SET kind = %s, to_address = %s, country = %s WHERE id = %s"


@dataclass(frozen=True, slots=True)
class _UnsignedSlot:
    """A slot without an attempt, and what it is for."""

    slot_id: int
    kind: SlotKind
    to_address: str
    country: str


@dataclass(frozen=True, slots=True)
class _Place:
    """An order's place in a slot."""

    id: int
    slot_id: int
    amount: int
    cleared_until: datetime


def make_ready(tick: Tick, slots: Sequence[SlotRow]) -> list[SlotRow]:
    """Let leave what cannot go out now, and return what to plan instead of `slots`, lowest nonce first."""
    if not any(slot.kind is SlotKind.SETTLE for slot in slots) and not _has_vacancies(tick.lease.lane_id):
        return list(slots)
    _refresh(tick)
    with connection.cursor() as cursor:
        unsigned = _read_unsigned(cursor, tick.lease.lane_id)
        places = _read_places(cursor, unsigned)
        leaving = _leaving(cursor, tick, unsigned, places)
    if not leaving and _in_ranks(unsigned):
        return list(slots)
    with tick.lease.write() as cursor:
        cursor.execute(_LEAVE, [json_rows({"id": number, "code": code} for number, code in leaving.items())])
        _close_ranks(cursor, tick.lease.address, unsigned, {p.slot_id for p in places if p.id not in leaving})
        notify()
    if leaving:
        codes = sorted(set(leaving.values()))
        _log.warning("chain.orders_left", lane=tick.lease.lane_id, count=len(leaving), codes=codes)
        tick.report.released += len(leaving)
    ready = [slot for slot in open_slots(tick.lease.lane_id) if slot.state is SlotState.RESERVED and not slot.attempts]
    return [slot for slot in ready if slot.kind is not SlotKind.VACANT][: len(slots)]


def _refresh(tick: Tick) -> None:
    try:
        funds.refresh(pool=tick.pool, now=tick.now())
    except OutsideUnknown as unknown:
        # The figures that stand are decided by; the simulation has the last word.
        _log.warning("chain.funds_unknown", lane=tick.lease.lane_id, error=str(unknown))


def _has_vacancies(lane_id: int) -> bool:
    with connection.cursor() as cursor:
        return any(each.kind is SlotKind.VACANT for each in _read_unsigned(cursor, lane_id))


def _read_unsigned(cursor: CursorWrapper, lane_id: int) -> list[_UnsignedSlot]:
    cursor.execute(_UNSIGNED, [lane_id])
    return [_UnsignedSlot(number, SlotKind(kind), to, country) for number, kind, to, country in cursor.fetchall()]


def _read_places(cursor: CursorWrapper, unsigned: Sequence[_UnsignedSlot]) -> list[_Place]:
    cursor.execute(_MEMBERS, [[each.slot_id for each in unsigned if each.kind is SlotKind.SETTLE]])
    return [_Place(number, slot_id, int(amount), until) for number, slot_id, amount, until in cursor.fetchall()]


def _leaving(
    cursor: CursorWrapper, tick: Tick, unsigned: Sequence[_UnsignedSlot], places: Sequence[_Place]
) -> dict[int, str]:
    """Return the places that are given up, with the code why. Lower nonces are paid for first."""
    budgets = funds.budgets(cursor, tick.lease.chain_id, without_unsigned_of=tick.lease.lane_id)
    now, found = tick.now(), dict[int, str]()
    for slot in unsigned:
        budget = budgets.of(slot.country, tick.lease.address)
        for place in (each for each in places if each.slot_id == slot.slot_id):
            lacking = budget.lacking(place.amount) if budget is not None else ""
            if place.cleared_until <= now:
                found[place.id] = EXPIRED
            elif lacking:
                found[place.id] = lacking.partition(":")[0]
            elif budget is not None:
                budget.promised += place.amount
    return found


def _in_ranks(unsigned: Sequence[_UnsignedSlot]) -> bool:
    """Return whether every vacant slot is above all others."""
    vacant = [each.kind is SlotKind.VACANT for each in unsigned]
    return vacant == sorted(vacant)


def _close_ranks(cursor: CursorWrapper, address: str, unsigned: Sequence[_UnsignedSlot], filled: set[int]) -> None:
    """Move orders to the lowest slots that take orders. What stays empty is vacant, or a no-op where a higher nonce is
    wanted for something else (no gaps)."""
    places = [each for each in unsigned if each.kind in (SlotKind.SETTLE, SlotKind.VACANT)]
    contents = [each for each in places if each.slot_id in filled]
    wanted = [each.slot_id for each in unsigned if each.kind in (SlotKind.NOOP, SlotKind.CALL)]
    last_wanted = max((position for position, each in enumerate(unsigned) if each.slot_id in wanted), default=-1)
    for place, content in zip(places, contents, strict=False):
        if place.slot_id != content.slot_id:
            cursor.execute(_MOVE, [place.slot_id, content.slot_id])
        cursor.execute(_BECOME, [SlotKind.SETTLE.value, content.to_address, content.country, place.slot_id])
    for place in places[len(contents) :]:
        kind = SlotKind.NOOP if unsigned.index(place) < last_wanted else SlotKind.VACANT
        cursor.execute(_BECOME, [kind.value, address, "", place.slot_id])
