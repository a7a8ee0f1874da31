"""Taking a nonce for cleared orders, in the transaction in which their owner records that it was taken (one source of
nonces). Oldest first; who cannot be paid for is passed over and told why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from fiatrails.chains.core.chain import Reservation
from fiatrails.chains.evm.contracts.deployment import Deployment, deployment
from fiatrails.chains.evm.contracts.identifiers import intent_id_of_hash
from fiatrails.chains.evm.orders import MintOrder
from fiatrails.chains.evm.submitter import funds
from fiatrails.chains.evm.submitter.funds import Budgets
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import Forbidden, Misconfigured
from fiatrails.kernel.rows import json_rows

EXECUTOR = "executor"
OFFICER = "officer"
# Slots mined but not final do not count as in flight: finality may take a quarter of an hour. They are bounded all the
# same, because every tick looks at them.
MAX_UNDECIDED_SLOTS = 4096

# All executor lanes of the chain, always in the same order: two reservations never interleave, so what one finds
# unreserved cannot be reserved by another before it has committed.
_LANES = """
SELECT id, address, next_nonce, available_until, held FROM evm_lane WHERE chain_id = %s AND role = %s ORDER BY id
"""
_LOCK_LANES = f"{_LANES} FOR UPDATE"
_LOAD = """
SELECT lane_id, count(*) FILTER (WHERE state IN ('reserved', 'published') AND kind <> 'vacant'),
    count(*) FILTER (WHERE kind <> 'vacant')
FROM evm_nonce_slot WHERE lane_id = ANY(%s) AND state IN ('reserved', 'published', 'included') GROUP BY lane_id
"""
_VACANT = """
SELECT lane_id, array_agg(nonce ORDER BY nonce) FROM evm_nonce_slot
WHERE lane_id = ANY(%s) AND state = 'reserved' AND kind = 'vacant' GROUP BY lane_id
"""
_ACCEPTED_BEFORE = "SELECT intent_id, state FROM evm_slot_intent WHERE intent_id = ANY(%s) AND state <> 'released'"
# Whoever orders what is executed already has lost the news: tell it again.
_REPORT_AGAIN = """
UPDATE evm_slot_intent SET reported = '', report_due = true WHERE intent_id = ANY(%s) AND state = 'executed'
"""
_INSERT_SLOTS = """
INSERT INTO evm_nonce_slot (lane_id, nonce, kind, to_address, country, created_at)
SELECT %s, nonce, 'settle', to_address, country, %s
FROM json_to_recordset(%s::json) AS t (nonce bigint, to_address text, country text)
ON CONFLICT (lane_id, nonce) DO UPDATE
    SET kind = 'settle', to_address = excluded.to_address, country = excluded.country, created_at = excluded.created_at
    WHERE evm_nonce_slot.state = 'reserved' AND evm_nonce_slot.kind = 'vacant'
RETURNING id, nonce
"""
_INSERT_INTENTS = """
INSERT INTO evm_slot_intent (slot_id, intent_id, user_address, amount, tx_ref_hash, cleared_until)
SELECT * FROM json_to_recordset(%s::json) AS t (slot_id bigint, intent_id text, user_address text, amount numeric,
    tx_ref_hash text, cleared_until timestamptz)
"""
_ADVANCE = "UPDATE evm_lane SET next_nonce = greatest(next_nonce, %s) WHERE id = %s"


@dataclass(slots=True)
class _LaneCapacity:
    """A lane, how many more slots it takes, and the nonces of those that wait for orders."""

    lane_id: int
    address: str
    next_nonce: int
    waiting: int
    free: int
    vacant: list[int]

    def nonces(self, count: int) -> list[int]:
        """Return the nonces of the next slots: vacant ones first, because nothing above them may go out before."""
        fresh = range(self.next_nonce, self.next_nonce + max(0, count - len(self.vacant)))
        return [*self.vacant[:count], *fresh]


@dataclass(slots=True)
class _LaneBatch:
    """Orders of one country that share a slot of a lane."""

    lane: _LaneCapacity
    orders: list[MintOrder]


def reserve(orders: Sequence[MintOrder], *, now: datetime, clearance_key: bytes) -> Reservation:
    """Take nonces for as many orders as fit into free in-flight slots and can be paid for, the first ones first; the
    rest stays with the caller.

    Runs inside the caller's transaction: nonce, slot, intent links and the caller's own record commit together.
    An intent that is in a slot already counts as accepted, and nothing is done for it. Forbidden when a clearance is
    forged, expired or of another order: then nothing was reserved. Misconfigured without a lane or an escrow.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("reserve() runs inside the transaction that records the submission")
    if not orders:
        return Reservation()
    settings = config()
    contracts = deployment(settings.deployments_path, settings.profile.chain_id)
    for order in orders:
        _require_cleared(order, contracts, now=now, key=clearance_key)
    with connection.cursor() as cursor:
        lanes = _lanes_in_service(cursor, contracts.chain_id, now, lock=True)
        taken = _accepted_before(cursor, orders)
        fresh = list({order.intent_id: order for order in orders if order.intent_id not in taken}.values())
        batches, unpaid = _assign(lanes, fresh, funds.budgets(cursor, contracts.chain_id))
        for lane in lanes:
            _insert(cursor, lane, [batch.orders for batch in batches if batch.lane is lane], contracts, now)
    accepted = taken | {order.intent_id for batch in batches for order in batch.orders}
    return Reservation(list(dict.fromkeys(order.intent_id for order in orders if order.intent_id in accepted)), unpaid)


def room(chain_id: int, *, now: datetime) -> int:
    """Return how many orders `reserve` could take now, at most: 0 while every lane is full or holds. Misconfigured
    without a lane."""
    with connection.cursor() as cursor:
        lanes = _lanes_in_service(cursor, chain_id, now, lock=False)
    return sum(lane.free for lane in lanes) * config().profile.evm.batch_size


def _require_cleared(order: MintOrder, contracts: Deployment, *, now: datetime, key: bytes) -> None:
    """Raise Forbidden unless the clearance is ours, in force and of exactly this order, and the id is what the escrow
    will compute."""
    clearance = order.clearance
    clearance.require_valid(now=now, key=key)
    same = (
        clearance.intent_id == order.intent_id
        and clearance.recipient.lower() == order.recipient.lower()
        and clearance.amount == order.amount
    )
    if not same:
        raise Forbidden("clearance_mismatch", f"the clearance of {order.intent_id} is for another order")
    escrow = contracts.country(order.country_code).escrow
    computed = intent_id_of_hash(
        chain_id=contracts.chain_id, escrow=escrow, payer=escrow, tx_ref_word=order.tx_ref_hash
    )
    if computed != order.intent_id:
        # The escrow would execute it under another id, out of sight of everything that waits for this one.
        raise Forbidden("intent_id_mismatch", f"{order.intent_id} is not the escrow's id of its payment reference")


def _lanes_in_service(cursor: CursorWrapper, chain_id: int, now: datetime, *, lock: bool) -> list[_LaneCapacity]:
    """Lanes whose key some worker holds; all of them when none is known to be held, as after a long stop. Orders must
    not wait in the lane of a signer that was taken out of service, nor in one that holds: outside they can still go
    another way, and what waits there costs nothing."""
    cursor.execute(_LOCK_LANES if lock else _LANES, [chain_id, EXECUTOR])
    rows = cursor.fetchall()
    if not rows:
        raise Misconfigured("no_lane", f"chain {chain_id} has no executor lane; set SIGNER_KEYSTORE and start a worker")
    rows = [row for row in rows if row[3] is not None and row[3] > now] or rows
    rows = [row for row in rows if not row[4]]
    ids = [row[0] for row in rows]
    cursor.execute(_LOAD, [ids])
    load = {lane_id: (waiting, undecided) for lane_id, waiting, undecided in cursor.fetchall()}
    cursor.execute(_VACANT, [ids])
    vacant = dict(cursor.fetchall())
    return [_capacity(row, *load.get(row[0], (0, 0)), vacant.get(row[0], [])) for row in rows]


def _capacity(row: Sequence[Any], waiting: int, undecided: int, vacant: list[int]) -> _LaneCapacity:
    free = max(0, min(config().profile.evm.in_flight - waiting, MAX_UNDECIDED_SLOTS - undecided))
    return _LaneCapacity(row[0], row[1], row[2], waiting, free, vacant)


def _accepted_before(cursor: CursorWrapper, orders: Sequence[MintOrder]) -> set[str]:
    cursor.execute(_ACCEPTED_BEFORE, [[order.intent_id for order in orders]])
    found = dict(cursor.fetchall())
    executed = [intent_id for intent_id, state in found.items() if state == "executed"]
    if executed:
        cursor.execute(_REPORT_AGAIN, [executed])
    return set(found)


def _assign(
    lanes: Sequence[_LaneCapacity], orders: Sequence[MintOrder], budgets: Budgets
) -> tuple[list[_LaneBatch], dict[str, str]]:
    """Spread orders over the lanes, oldest first: into the open batch of their country, or onto the lane with the
    fewest waiting slots. Return the batches, and what cannot be paid for with the reason; what finds no slot is in
    neither."""
    open_batches: dict[str, _LaneBatch] = {}
    batches: list[_LaneBatch] = []
    unpaid: dict[str, str] = {}
    for order in orders:
        affording = [lane for lane in lanes if _affords(budgets, lane, order)]
        if lanes and not affording:
            unpaid[order.intent_id] = _lacking(budgets, lanes, order)
            continue
        batch = None if order.alone else open_batches.get(order.country_code)
        if batch is None or batch.lane not in affording or len(batch.orders) >= config().profile.evm.batch_size:
            batch = _new_batch(affording)
            if batch is None:
                continue
            batches.append(batch)
            if not order.alone:
                open_batches[order.country_code] = batch
        batch.orders.append(order)
        budget = budgets.of(order.country_code, batch.lane.address)
        if budget is not None:
            budget.promised += order.amount
    return batches, unpaid


def _affords(budgets: Budgets, lane: _LaneCapacity, order: MintOrder) -> bool:
    budget = budgets.of(order.country_code, lane.address)
    return budget is None or not budget.lacking(order.amount)


def _lacking(budgets: Budgets, lanes: Sequence[_LaneCapacity], order: MintOrder) -> str:
    """Return what is missing at the lane that comes closest."""
    known = [budget for lane in lanes if (budget := budgets.of(order.country_code, lane.address)) is not None]
    return max(known, key=lambda budget: budget.left).lacking(order.amount)


def _new_batch(lanes: Sequence[_LaneCapacity]) -> _LaneBatch | None:
    lane = min((lane for lane in lanes if lane.free > 0), key=lambda lane: lane.waiting, default=None)
    if lane is None:
        return None
    lane.free -= 1
    lane.waiting += 1
    return _LaneBatch(lane, [])


def _insert(
    cursor: CursorWrapper, lane: _LaneCapacity, batches: Sequence[list[MintOrder]], contracts: Deployment, now: datetime
) -> None:
    if not batches:
        return
    numbered = list(zip(lane.nonces(len(batches)), batches, strict=True))
    slots = [
        {
            "nonce": nonce,
            "to_address": contracts.country(batch[0].country_code).escrow,
            "country": batch[0].country_code,
        }
        for nonce, batch in numbered
    ]
    cursor.execute(_INSERT_SLOTS, [lane.lane_id, now, json_rows(slots)])
    slot_of = {nonce: slot_id for slot_id, nonce in cursor.fetchall()}
    members = [_member(slot_of[nonce], order) for nonce, batch in numbered for order in batch]
    cursor.execute(_INSERT_INTENTS, [json_rows(members)])
    cursor.execute(_ADVANCE, [numbered[-1][0] + 1, lane.lane_id])


def _member(slot_id: int, order: MintOrder) -> dict[str, object]:
    return {
        "slot_id": slot_id,
        "intent_id": order.intent_id,
        "user_address": order.recipient.lower(),
        "amount": order.amount,
        "tx_ref_hash": order.tx_ref_hash,
        "cleared_until": order.clearance.expires_at,
    }
