"""One pass over a lane, and the lanes themselves.

A tick reads the chain once and then does, in this order: record inclusions and reorganisations, publish, send again or
pay more, conclude. Each step is one or two transactions under the lane's fence with the network calls between them, and
each starts from what the database says, so a crash anywhere is healed by the next tick of any worker:

- slot without attempt: signed then (nobody has bytes of it).
- attempt signed, never sent or reply lost: the same bytes are sent again.
- mined or final unnoticed: the receipts of all attempts are asked for again.
- outcome not reported: it stays due until `outcomes.take` commits with its owner's transition.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction

from fiatrails.chains.evm.contracts.stablecoin import require_sound_backing
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.chains.evm.signer import Signer, Signers
from fiatrails.chains.evm.submitter import concluding, funds, lease, sending
from fiatrails.chains.evm.submitter.repair import (
    MAX_GAP,
    LaneView,
    RepairPlan,
    fill_with_noops,
    repair_apply,
    repair_plan,
    show,
)
from fiatrails.chains.evm.submitter.reservation import EXECUTOR, OFFICER
from fiatrails.chains.evm.submitter.states import SlotKind
from fiatrails.chains.evm.submitter.tick import Tick, TickReport, open_slots, read_chain
from fiatrails.chains.evm.submitter.tracking import track
from fiatrails.controls import audit
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import config, profile
from fiatrails.kernel.errors import FiatRailsError, Misconfigured, OutsideUnknown, StaleFence

__all__ = [
    "LaneView",
    "RepairPlan",
    "TickReport",
    "ensure_lanes",
    "repair_apply",
    "repair_plan",
    "run_lanes",
    "show",
    "tick",
]

_log = structlog.get_logger()
# How long an idle lane still looks whether a reorganisation deeper than finality undid its last transactions.
_WATCH_FOR_REWIND = timedelta(minutes=10)

_WORK = """
SELECT l.address,
    EXISTS (SELECT FROM evm_nonce_slot s
        WHERE s.lane_id = l.id AND s.state IN ('reserved', 'published', 'included') AND s.kind <> 'vacant'),
    (SELECT s.final_at FROM evm_nonce_slot s WHERE s.lane_id = l.id ORDER BY s.nonce DESC LIMIT 1)
FROM evm_lane l WHERE l.id = %s
"""
# Nothing waits for the lane, so nothing holds. What is wrong with a coin stands until the coin is right.
_NOTHING_HELD = """
UPDATE evm_lane SET held = '', held_since = NULL
WHERE id = %s AND held <> '' AND held NOT LIKE %s AND (lease_until IS NULL OR lease_until <= %s)
"""
_LANES = "SELECT id FROM evm_lane WHERE chain_id = %s ORDER BY id"
_KNOWN = "SELECT address, next_nonce FROM evm_lane WHERE chain_id = %s"
_LOCK = "SELECT id, next_nonce FROM evm_lane WHERE chain_id = %s AND address = %s FOR UPDATE"
_CREATE = """
INSERT INTO evm_lane (chain_id, address, role, next_nonce, created_at, available_until)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (chain_id, address) DO NOTHING
"""
# Written at most once in half of the time, by every worker that holds the keys.
_AVAILABLE = """
UPDATE evm_lane SET available_until = %s
WHERE chain_id = %s AND address = ANY(%s) AND (available_until IS NULL OR available_until < %s)
"""
_AVAILABLE_FOR = timedelta(minutes=2)
# How the codes of what is wrong with a coin begin.
_ABOUT_COINS = "stablecoin_"
# Before any pass, so under no fence: what a lane is held for is only shown, and no step depends on it.
_HOLD = """
UPDATE evm_lane SET held = %s, held_since = coalesce(held_since, %s) WHERE chain_id = %s AND address = ANY(%s)
"""
_RELEASE = """
UPDATE evm_lane SET held = '', held_since = NULL WHERE chain_id = %s AND address = ANY(%s) AND held LIKE %s
"""


def tick(lane_id: int, *, clock: Clock, pool: EvmPool, signers: Signers, holder: str) -> TickReport:
    """Make one pass over the lane. `holder` names the worker (unique per thread). An outside fault, or a signer that
    cannot sign, ends the pass and stands in `held`. StaleFence when another worker took the lane meanwhile."""
    if connection.in_atomic_block:
        raise RuntimeError("tick() talks to the network and must not run inside a transaction")
    report = TickReport(lane_id)
    address = _address_with_work(lane_id, clock.now())
    if address is None:
        report.status = "idle"
        _forget_hold(lane_id, clock.now())
        return report
    signer = signers.by_address(address)
    if signer is None:
        report.status = "no_signer"
        return report
    lane_lease = lease.take(lane_id=lane_id, holder=holder, duration=_lease_duration(), clock=clock)
    if lane_lease is None:
        report.status = "busy"
        return report
    try:
        _pass(Tick(lane_lease, pool, signer, profile().evm, report))
        lane_lease.hold(report.held)
    finally:
        lane_lease.release()
    return report


def _pass(tick: Tick) -> None:
    try:
        view = read_chain(tick.pool, address=tick.lease.address, evm=tick.evm)
        chain = track(tick, view, open_slots(tick.lease.lane_id))
        slots = open_slots(tick.lease.lane_id)
        # Who has work in the lane; vacant slots wait for orders.
        busy = [slot for slot in slots if slot.kind is not SlotKind.VACANT]
        if view.unfinal:
            # What is mined could not be concluded: nothing new goes out, what is out is followed.
            tick.report.held = view.unfinal
        else:
            sending.publish(tick, view, busy)
        sending.resend(tick, view, busy)
        sending.resend_rewound(tick, view)
        concluding.conclude(tick, view, slots, chain)
        concluding.conclude_usurped(tick, view, slots)
    except StaleFence:
        raise
    except FiatRailsError as fault:
        # What was done so far is committed; the next pass looks again.
        tick.report.held = str(fault)
        level = _log.warning if isinstance(fault, OutsideUnknown) else _log.error
        level("chain.pass_ended", lane=tick.lease.lane_id, code=fault.code, message=fault.message)


def run_lanes(*, clock: Clock, pool: EvmPool, signers: Signers, holder: str) -> list[TickReport]:
    """Make one pass over every lane of the profile's chain, and read what stands behind the mints."""
    if signers.executors:
        _read_funds(pool, clock.now())
    with connection.cursor() as cursor:
        cursor.execute(_LANES, [profile().chain_id])
        lane_ids = [row[0] for row in cursor.fetchall()]
    return [_tick_unless_taken(lane_id, clock, pool, signers, holder) for lane_id in lane_ids]


def _read_funds(pool: EvmPool, now: datetime) -> None:
    try:
        funds.refresh(pool=pool, now=now)
    except OutsideUnknown as unknown:
        _log.warning("chain.funds_unknown", error=str(unknown))


def _tick_unless_taken(lane_id: int, clock: Clock, pool: EvmPool, signers: Signers, holder: str) -> TickReport:
    try:
        return tick(lane_id, clock=clock, pool=pool, signers=signers, holder=holder)
    except StaleFence as stale:
        # The next lane is no business of whoever took this one.
        _log.warning("chain.lane_taken_over", lane=lane_id, what=stale.message)
        return TickReport(lane_id, status="taken_over")


def ensure_lanes(*, signers: Signers, pool: EvmPool, now: datetime) -> None:
    """Create the lane of every signer that has none, and keep those of the others in service: call it before every
    pass. A new lane's first nonce is the chain's count of mined transactions, or
    NONCE_OVERRIDE, asked exactly once: from then on nonces come from the row (one source of nonces).

    NONCE_OVERRIDE above an existing lane's next nonce is honoured too: no-ops take the nonces in between. It never
    lowers one. Misconfigured when it is set with several executors, or when a country's coin is not what the profile
    says, which the executors' lanes are then held for; OutsideUnknown without an answer of the chain.
    """
    if signers.executors:
        _require_sound_backing([signer.address for signer in signers.executors], pool=pool, now=now)
    chain_id, override = profile().chain_id, config().nonce_override
    _refuse_ambiguous_override(override, signers)
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [chain_id])
        known = dict(cursor.fetchall())
    for signer in signers.executors:
        if override is not None and known.get(signer.address, override) < override:
            _skip_to(chain_id, signer.address, override, now)
    wanted: list[tuple[Signer, str]] = [(signer, EXECUTOR) for signer in signers.executors]
    if signers.officer is not None:
        wanted.append((signers.officer, OFFICER))
    _mark_available(chain_id, [signer.address for signer, _ in wanted], now)
    new = [(signer.address, role) for signer, role in wanted if signer.address not in known]
    if not new:
        return
    for address, role in new:
        count = int(pool.call("eth_getTransactionCount", address, "latest"), 16)
        first = override if override is not None and role == EXECUTOR else count
        _create(chain_id=chain_id, address=address, role=role, first=first, count=count, now=now)


def _require_sound_backing(executors: list[str], *, pool: EvmPool, now: datetime) -> None:
    chain_id = profile().chain_id
    try:
        asked = require_sound_backing(pool=pool, now=now)
    except Misconfigured as fault:
        if fault.code.startswith(_ABOUT_COINS):
            with connection.cursor() as cursor:
                cursor.execute(_HOLD, [str(fault)[:500], now, chain_id, executors])
        raise
    if asked:
        with connection.cursor() as cursor:
            cursor.execute(_RELEASE, [chain_id, executors, f"{_ABOUT_COINS}%"])


def _mark_available(chain_id: int, addresses: Sequence[str], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_AVAILABLE, [now + _AVAILABLE_FOR, chain_id, list(addresses), now + _AVAILABLE_FOR / 2])


def _create(*, chain_id: int, address: str, role: str, first: int, count: int, now: datetime) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CREATE, [chain_id, address, role, first, now, now + _AVAILABLE_FOR])
        if cursor.rowcount == 1:
            details = {"chain_id": chain_id, "role": role, "next_nonce": first, "chain_nonce": count}
            action = "lane.created" if first == count else "lane.created_with_nonce_override"
            audit.record("system", action, address, details, now=now)
            _log.info("chain.lane_created", address=address, role=role, next_nonce=first, chain_nonce=count)


def _skip_to(chain_id: int, address: str, override: int, now: datetime) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, [chain_id, address])
        lane_id, next_nonce = cursor.fetchone()
        if next_nonce >= override:
            return
        if override - next_nonce > MAX_GAP:
            raise Misconfigured(
                "nonce_override", f"NONCE_OVERRIDE is more than {MAX_GAP} above the lane's next nonce {next_nonce}"
            )
        fill_with_noops(cursor, lane_id, address, range(next_nonce, override), now=now)
        details = {"chain_id": chain_id, "next_nonce": override, "was": next_nonce}
        audit.record("system", "lane.nonce_override", address, details, now=now)
        _log.warning("chain.nonce_override", address=address, next_nonce=override, was=next_nonce)


def _refuse_ambiguous_override(override: int | None, signers: Signers) -> None:
    if override is not None and len(signers.executors) > 1:
        raise Misconfigured(
            "nonce_override", "NONCE_OVERRIDE names one nonce but there are several executors; unset it"
        )


def _address_with_work(lane_id: int, now: datetime) -> str | None:
    """Return the lane's address when something is open or was decided lately; None when there is nothing to look at."""
    with connection.cursor() as cursor:
        cursor.execute(_WORK, [lane_id])
        row = cursor.fetchone()
    if row is None:
        return None
    address, has_open, final_at = row
    recent = final_at is not None and now - final_at < _WATCH_FOR_REWIND
    return str(address) if has_open or recent else None


def _forget_hold(lane_id: int, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_NOTHING_HELD, [lane_id, f"{_ABOUT_COINS}%", now])
        if cursor.rowcount:
            _log.info("chain.lane_resumed", lane=lane_id, why="nothing waits in it")


def _lease_duration() -> timedelta:
    return timedelta(seconds=profile().timeouts.lease_s)
