"""An operator's view of the lanes beside the chain, and what may be repaired: a plan first, applied only if still true.

Nonce repair never recycles a nonce and never lowers one. Two things can be wrong:

- `fill_gap`: nonces that the chain waits for have no slot (a NONCE_OVERRIDE set too high, a restored backup). A no-op
  is reserved for each; the next tick signs it.
- `advance`: the chain has used nonces that the lane would still hand out (somebody else signs with this key). The lane
  moves past them; the count is read at the finalized block.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from fiatrails.chains.core.rpc import Call, RpcError
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.controls import audit
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import Conflict, OutsideUnknown

MAX_GAP = 256

_LANES = """
SELECT l.id, l.address, l.role, l.next_nonce, l.holder, l.lease_until, l.held, l.held_since,
    count(s.id) FILTER (WHERE s.state = 'reserved'), count(s.id) FILTER (WHERE s.state = 'published'),
    count(s.id) FILTER (WHERE s.state = 'included'),
    min(s.nonce) FILTER (WHERE s.state <> 'included'), min(s.created_at) FILTER (WHERE s.state <> 'included')
FROM evm_lane l LEFT JOIN evm_nonce_slot s
    ON s.lane_id = l.id AND s.state IN ('reserved', 'published', 'included')
WHERE l.chain_id = %s GROUP BY l.id ORDER BY l.id
"""
_MISSING = """
SELECT n FROM generate_series(%s::bigint, %s::bigint) AS n
WHERE NOT EXISTS (SELECT FROM evm_nonce_slot s WHERE s.lane_id = %s AND s.nonce = n) ORDER BY n LIMIT %s
"""
_LOCK = "SELECT next_nonce FROM evm_lane WHERE id = %s FOR UPDATE"
_FILL = """
INSERT INTO evm_nonce_slot (lane_id, nonce, kind, to_address, created_at)
SELECT %s, nonce, 'noop', %s, %s FROM unnest(%s::bigint[]) AS t (nonce) ON CONFLICT DO NOTHING
"""
_ADVANCE = "UPDATE evm_lane SET next_nonce = greatest(next_nonce, %s) WHERE id = %s"


@dataclass(frozen=True, slots=True)
class LaneView:
    """A lane beside the chain. `mined`, `pending`, `finalized` are the chain's transaction counts; `missing` nonces are
    waited for by the chain and have no slot here."""

    lane_id: int
    address: str
    role: str
    next_nonce: int
    holder: str
    lease_until: datetime | None
    held: str
    held_since: datetime | None
    reserved: int
    published: int
    included: int
    oldest_unmined_nonce: int | None
    oldest_unmined_at: datetime | None
    mined: int
    pending: int
    finalized: int
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RepairStep:
    """`fill_gap`: nonces to use up with no-ops. `advance`: the lane's next nonce becomes the last of `nonces`."""

    lane_id: int
    address: str
    action: str
    nonces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What would be done. `hash` names exactly this plan."""

    steps: tuple[RepairStep, ...]
    hash: str


def show(*, pool: EvmPool, now: datetime) -> list[LaneView]:  # noqa: ARG001 - every domain function receives the time
    """Return every lane of the profile's chain beside what the chain counts; OutsideUnknown when the chain does not
    answer."""
    with connection.cursor() as cursor:
        cursor.execute(_LANES, [profile().chain_id])
        rows = cursor.fetchall()
    tags = ("latest", "pending", "finalized")
    calls = [Call("eth_getTransactionCount", (row[1], tag)) for row in rows for tag in tags]
    counts = [_count(answer) for answer in pool.batch(calls)]
    return [_view(row, *counts[3 * number : 3 * number + 3]) for number, row in enumerate(rows)]


def repair_plan(*, pool: EvmPool, now: datetime) -> RepairPlan:
    """Return what is wrong and what would mend it; an empty plan when nothing is."""
    steps: list[RepairStep] = []
    for lane in show(pool=pool, now=now):
        if lane.missing:
            steps.append(RepairStep(lane.lane_id, lane.address, "fill_gap", lane.missing))
        if lane.finalized > lane.next_nonce:
            steps.append(RepairStep(lane.lane_id, lane.address, "advance", (lane.finalized,)))
    return RepairPlan(tuple(steps), _hash(steps))


def repair_apply(*, plan_hash: str, actor: str, pool: EvmPool, now: datetime) -> RepairPlan:
    """Apply the plan that `plan_hash` names and return it; Conflict when the situation has changed since."""
    plan = repair_plan(pool=pool, now=now)
    if plan.hash != plan_hash:
        raise Conflict("plan_changed", "the lanes have changed since the plan was made; look at the new plan first")
    with transaction.atomic():
        for step in plan.steps:
            _apply(step, now)
            audit.record(actor, f"lane.{step.action}", step.address, {"nonces": list(step.nonces)}, now=now)
    return plan


def _apply(step: RepairStep, now: datetime) -> None:
    with connection.cursor() as cursor:
        # The row lock keeps a reservation from taking one of these nonces meanwhile.
        cursor.execute(_LOCK, [step.lane_id])
        if step.action == "fill_gap":
            fill_with_noops(cursor, step.lane_id, step.address, step.nonces, now=now)
        else:
            cursor.execute(_ADVANCE, [step.nonces[-1], step.lane_id])


def fill_with_noops(cursor: CursorWrapper, lane_id: int, address: str, nonces: Sequence[int], *, now: datetime) -> None:
    """Reserve a no-op for each nonce; under the lane's row lock. A nonce that the chain has used already ends as
    usurped, which does no harm."""
    cursor.execute(_FILL, [lane_id, address, now, list(nonces)])
    cursor.execute(_ADVANCE, [max(nonces) + 1, lane_id])


def _view(row: Sequence[object], mined: int, pending: int, finalized: int) -> LaneView:
    lane_id, next_nonce = int(str(row[0])), int(str(row[3]))
    with connection.cursor() as cursor:
        cursor.execute(_MISSING, [mined, next_nonce - 1, lane_id, MAX_GAP])
        missing = tuple(found[0] for found in cursor.fetchall())
    return LaneView(*row, mined, pending, finalized, missing)  # type: ignore[arg-type, call-arg]


def _count(answer: object) -> int:
    if isinstance(answer, RpcError) or not isinstance(answer, str):
        raise OutsideUnknown("rpc_no_count", "the RPC endpoint does not say how many transactions a lane has sent")
    return int(answer, 16)


def _hash(steps: Sequence[RepairStep]) -> str:
    return hashlib.sha256(json.dumps([asdict(step) for step in steps], sort_keys=True).encode()).hexdigest()
