"""Taking a nonce for cleared orders, in the transaction in which their owner records that it was taken (one source of
nonces)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.backends.utils import CursorWrapper

from fiatrails.chains.evm.contracts.deployment import Deployment, deployment
from fiatrails.chains.evm.contracts.identifiers import intent_id_of_hash
from fiatrails.chains.evm.orders import MintOrder
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
_LOCK_LANES = """
SELECT id, next_nonce, available_until FROM evm_lane WHERE chain_id = %s AND role = %s ORDER BY id FOR UPDATE
"""
_LOAD = """
SELECT lane_id, count(*) FILTER (WHERE state IN ('reserved', 'published')), count(*) FROM evm_nonce_slot
WHERE lane_id = ANY(%s) AND state IN ('reserved', 'published', 'included') GROUP BY lane_id
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
RETURNING id, nonce
"""
_INSERT_INTENTS = """
INSERT INTO evm_slot_intent (slot_id, intent_id, user_address, amount, tx_ref_hash, cleared_until)
SELECT * FROM json_to_recordset(%s::json) AS t (slot_id bigint, intent_id text, user_address text, amount numeric,
    tx_ref_hash text, cleared_until timestamptz)
"""
_ADVANCE = "UPDATE evm_lane SET next_nonce = %s WHERE id = %s"


@dataclass(slots=True)
class _LaneCapacity:
    """A locked lane and how many more slots it takes."""

    lane_id: int
    next_nonce: int
    waiting: int
    free: int


def reserve(orders: Sequence[MintOrder], *, now: datetime, clearance_key: bytes) -> list[str]:
    """Take nonces for as many orders as fit into free in-flight slots and return the intent ids accepted, in order;
    the rest stays with the caller.

    Runs inside the caller's transaction: nonce, slot, intent links and the caller's own record commit together.
    An intent that is in a slot already counts as accepted, and nothing is done for it. Forbidden when a clearance is
    forged, expired or of another order: then nothing was reserved. Misconfigured without a lane or an escrow.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("reserve() runs inside the transaction that records the submission")
    if not orders:
        return []
    settings = config()
    contracts = deployment(settings.deployments_path, settings.profile.chain_id)
    for order in orders:
        _require_cleared(order, contracts, now=now, key=clearance_key)
    with connection.cursor() as cursor:
        lanes = _lock_lanes(cursor, contracts.chain_id, now)
        taken = _accepted_before(cursor, orders)
        fresh = list({order.intent_id: order for order in orders if order.intent_id not in taken}.values())
        accepted = taken | _assign(cursor, lanes, fresh, contracts, now)
    return list(dict.fromkeys(order.intent_id for order in orders if order.intent_id in accepted))


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


def _lock_lanes(cursor: CursorWrapper, chain_id: int, now: datetime) -> list[_LaneCapacity]:
    """Lanes whose key some worker holds; all of them when none is known to be held, as after a long stop. Orders must
    not wait in the lane of a signer that was taken out of service."""
    evm = config().profile.evm
    cursor.execute(_LOCK_LANES, [chain_id, EXECUTOR])
    rows = cursor.fetchall()
    if not rows:
        raise Misconfigured("no_lane", f"chain {chain_id} has no executor lane; set SIGNER_KEYSTORE and start a worker")
    rows = [row for row in rows if row[2] is not None and row[2] > now] or rows
    cursor.execute(_LOAD, [[row[0] for row in rows]])
    load = {lane_id: (waiting, undecided) for lane_id, waiting, undecided in cursor.fetchall()}
    lanes = []
    for lane_id, next_nonce, _ in rows:
        waiting, undecided = load.get(lane_id, (0, 0))
        free = max(0, min(evm.in_flight - waiting, MAX_UNDECIDED_SLOTS - undecided))
        lanes.append(_LaneCapacity(lane_id, next_nonce, waiting, free))
    return lanes


def _accepted_before(cursor: CursorWrapper, orders: Sequence[MintOrder]) -> set[str]:
    cursor.execute(_ACCEPTED_BEFORE, [[order.intent_id for order in orders]])
    found = dict(cursor.fetchall())
    executed = [intent_id for intent_id, state in found.items() if state == "executed"]
    if executed:
        cursor.execute(_REPORT_AGAIN, [executed])
    return set(found)


def _assign(
    cursor: CursorWrapper, lanes: list[_LaneCapacity], orders: list[MintOrder], contracts: Deployment, now: datetime
) -> set[str]:
    """Spreads batches over the lanes, always onto the one with the fewest waiting slots."""
    per_lane: dict[int, list[list[MintOrder]]] = {}
    for batch in _batches(orders, config().profile.evm.batch_size):
        lane = min((lane for lane in lanes if lane.free > 0), key=lambda lane: lane.waiting, default=None)
        if lane is None:
            break
        lane.free -= 1
        lane.waiting += 1
        per_lane.setdefault(lane.lane_id, []).append(batch)
    for lane in lanes:
        if lane.lane_id in per_lane:
            _insert(cursor, lane, per_lane[lane.lane_id], contracts, now)
    return {order.intent_id for batches in per_lane.values() for batch in batches for order in batch}


def _batches(orders: Sequence[MintOrder], size: int) -> Iterator[list[MintOrder]]:
    """Orders of one country at a time, at most `size`; `alone` ones by themselves. In order of their first order."""
    open_batches: dict[str, list[MintOrder]] = {}
    batches: list[list[MintOrder]] = []
    for order in orders:
        batch = None if order.alone else open_batches.get(order.country_code)
        if batch is None or len(batch) >= size:
            batch = []
            batches.append(batch)
            if not order.alone:
                open_batches[order.country_code] = batch
        batch.append(order)
    return iter(batches)


def _insert(
    cursor: CursorWrapper, lane: _LaneCapacity, batches: list[list[MintOrder]], contracts: Deployment, now: datetime
) -> None:
    numbered = list(enumerate(batches, lane.next_nonce))
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
    cursor.execute(_ADVANCE, [lane.next_nonce + len(batches), lane.lane_id])


def _member(slot_id: int, order: MintOrder) -> dict[str, object]:
    return {
        "slot_id": slot_id,
        "intent_id": order.intent_id,
        "user_address": order.recipient.lower(),
        "amount": order.amount,
        "tx_ref_hash": order.tx_ref_hash,
        "cleared_until": order.clearance.expires_at,
    }
