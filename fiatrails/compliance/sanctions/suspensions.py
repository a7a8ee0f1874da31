"""Take on-chain compliance of a wallet away while a case stands, and give it back when all its cases are ended.

Each pass starts from the rows, and a registry update is queued in the transaction that writes its slot down, so a crash
anywhere is healed by the next pass of any worker. The registry is read outside of transactions; what an officer has
written there meanwhile is never overwritten by a return to what was before.

An officer's attestation may be on its way while a case is opened. The lane mines in the order of its queue, so what is
queued behind it lands behind it: the newest update under way counts, and not what the chain says until then. Nobody may
attest while a case stands, so a wallet that is verified all the same was attested before, by whatever way: wallets that
are suspended are checked again for as long as a case stands.

Two queues ask the registry: wallets that have to be moved, then those that stay suspended. Neither gives a row up, and
an unanswered chain costs no attempt. Rows turn and settle without a lease, because only our own tables are asked for
that; their fence rises, so a slower worker writes nothing about what it saw before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.pool import default_pool
from fiatrails.chains.evm.registry import (
    MAX_USERS_PER_READ,
    QueuedUpdate,
    UserCompliance,
    call_status,
    enqueue_update,
    oldest_open_nonce,
    queued_update,
    read_users,
)
from fiatrails.compliance.sanctions import cases, checks
from fiatrails.compliance.sanctions.models import Case, Suspension
from fiatrails.compliance.sanctions.states import STANDING
from fiatrails.controls import audit
from fiatrails.engine import dead_letters, queue
from fiatrails.engine.claim import still_mine
from fiatrails.engine.dead_letters import Work
from fiatrails.engine.queue import Queue
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.errors import Conflict, FiatRailsError, OutsideUnknown

log = structlog.get_logger(__name__)
SUSPENDED, RESTORED = "suspended", "restored"
_ACTOR = "screening"
RECHECK_AFTER = timedelta(minutes=1)
_ACTIVE = ~Q(wanted=RESTORED, settled_at__isnull=False)
_STANDING = Case.objects.filter(user=OuterRef("user"), state__in=[state.value for state in STANDING])


@dataclass(frozen=True, slots=True)
class _Instant:
    """The one moment that a whole pass happens at, as a clock."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment


@dataclass(slots=True)
class _Pass:
    """What a pass asks, and what came of it: how many rows moved, or why the registry did not answer."""

    pool: RpcPool
    clock: Clock
    moved: int = 0
    stopped: FiatRailsError | None = None


def run_job(clock: Clock) -> str:
    """Make one pass as a periodic job; "off" without screening. An unanswered chain is asked again by the next pass."""
    if not checks.enabled():
        return "off"
    try:
        return f"{settle(pool=default_pool(), now=clock.now())} moved"
    except OutsideUnknown as unknown:
        return f"waiting: {unknown.code}"


def settle(*, pool: RpcPool, now: datetime) -> int:
    """Make one pass and return how many rows moved. OutsideUnknown when the chain does not answer."""
    return _follow(now) + _reverse(now) + _begin(now) + _send(pool, now)


def state_of(user: str) -> str:
    """Return what screening did to the wallet on chain, in words: `untouched`, `suspended`, `to be restored`."""
    newest = Suspension.objects.filter(user=user).order_by("-id").first()
    if newest is None:
        return "untouched"
    return newest.wanted if newest.settled_at else f"to be {newest.wanted}"


def withhold(user: str) -> bool:
    """Give nothing back when the cases end, because an officer says "not verified" as well, and return whether there
    was anything to give back. In the caller's transaction, under `cases.lock`."""
    held = Suspension.objects.filter(_ACTIVE, user=user, risk_score__isnull=False)
    return bool(held.update(risk_score=None, attestation_hash=""))


def _begin(now: datetime) -> int:
    """Open a row for every wallet with a standing case that has none."""
    known = Suspension.objects.filter(_ACTIVE, user=OuterRef("user"))
    users = Case.objects.filter(state__in=[state.value for state in STANDING]).exclude(Exists(known))
    rows = [
        Suspension(user=user, wanted=SUSPENDED, due_at=now, opened_at=now)
        for user in users.values_list("user", flat=True).distinct()[:MAX_USERS_PER_READ]
    ]
    # Another worker may do the same: the index lets one row in.
    Suspension.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _reverse(now: datetime) -> int:
    """Restore wallets whose cases are all ended, and suspend those that a new case found on the way back. A return
    under way is not waited for: the suspension is queued behind it."""
    back = _want(Q(wanted=SUSPENDED, slot_id=None), to=RESTORED, stands=False, now=now)
    return back + _want(Q(wanted=RESTORED, settled_at=None), to=SUSPENDED, stands=True, now=now)


def _want(which: Q, *, to: str, stands: bool, now: datetime) -> int:
    rows = Suspension.objects.filter(which).annotate(stands=Exists(_STANDING)).filter(stands=stands)
    ids = list(rows.values_list("pk", flat=True)[:MAX_USERS_PER_READ])
    # Another worker may have moved some of them since: `which` is asked again.
    return Suspension.objects.filter(which, pk__in=ids).update(
        wanted=to,
        slot_id=None,
        settled_at=None,
        attempts=0,
        last_error="",
        due_at=now,
        # Taken over from whoever holds the lease: what they learned was about the other direction.
        fence=F("fence") + 1,
        lease_until=None,
    )


def _send(pool: RpcPool, now: datetime) -> int:
    """Move the wallets that have to be moved, then check those that stay suspended and are due."""
    tools = _Pass(pool, _Instant(now))
    for each in (_MOVES, _CHECKS):
        queue.run(each, tools, clock=tools.clock, limit=MAX_USERS_PER_READ)
        if tools.stopped is not None:
            raise tools.stopped
    return tools.moved


def _step(rows: Sequence[Suspension], tools: _Pass) -> None:
    """Ask the registry about all rows at once, and decide about each."""
    try:
        # Asked before the chain is: what becomes final in between may be missing in the answer, and is still counted.
        since = oldest_open_nonce()
        entries = read_users([row.user for row in rows], pool=tools.pool)
    except FiatRailsError as error:
        # Nothing was learned about any wallet, so no attempt failed: the rows stay due.
        tools.stopped = error
        for row in rows:
            _as_seen(row).update(lease_until=None)
        return
    for row in rows:
        tools.moved += _send_one(row, entries[row.user], since=since, now=tools.clock.now())


def _send_one(seen: Suspension, entry: UserCompliance, *, since: int, now: datetime) -> bool:
    """Queue the update of one wallet and return whether the row moved. `since`: registry updates with nonces below it
    are in `entry`."""
    try:
        with transaction.atomic():
            # Nobody opens a case of this user, or attests them, until the update is queued.
            cases.lock(seen.user)
            mine = still_mine(Suspension, [seen])
            moved = bool(mine) and _write(mine[0], entry, since=since, now=now)
            if moved:
                notify()
    except FiatRailsError as error:
        _fail(seen, error, now)
        return True
    return moved


def _write(row: Suspension, entry: UserCompliance, *, since: int, now: datetime) -> bool:
    """Write what is decided, and end the lease. Nothing is decided when the cases say something else by now: the next
    pass reverses the row first."""
    row.lease_until, row.fence = None, row.fence + 1
    stands = bool(cases.standing([row.user]))
    moved = stands == (row.wanted == SUSPENDED) and _decide(row, entry, queued_update(row.user, since=since), now)
    row.save()
    return moved


def _decide(row: Suspension, entry: UserCompliance, under_way: QueuedUpdate | None, now: datetime) -> bool:
    """Queue a registry update, or settle the row when there is nothing to take away or to give back; return whether
    the row moved."""
    said = under_way or entry
    if row.wanted == SUSPENDED and said.is_verified:
        row.risk_score, row.attestation_hash = said.risk_score, said.attestation_hash
        _queue(row, row.risk_score, now)
        return True
    if under_way is not None:
        # Somebody takes it away already, or writes something else on purpose: what is left to do is known when it is
        # final. The others come first meanwhile.
        row.due_at = now
        return False
    left = (row.risk_score, row.attestation_hash)
    as_left = (entry.risk_score, entry.attestation_hash) == left and not entry.is_verified
    if row.wanted == RESTORED and row.risk_score is not None and as_left:
        _queue(row, row.risk_score, now)
        return True
    moved = row.settled_at is None
    row.settled_at, row.due_at = row.settled_at or now, now + RECHECK_AFTER
    return moved


def _queue(row: Suspension, risk_score: int, now: datetime) -> None:
    row.settled_at = None
    row.slot_id = enqueue_update(row.user, risk_score, row.attestation_hash, row.wanted == RESTORED, now=now)
    details = {"riskScore": risk_score, "attestationHash": row.attestation_hash, "slot": row.slot_id}
    audit.record(_ACTOR, f"user.{row.wanted}", row.user, details, now=now)


def _follow(now: datetime) -> int:
    """Settle rows whose updates are final, and retry those that the registry refused. Not a queue: another worker may
    settle and reverse the row meanwhile, and must not wait for a lease."""
    moved = 0
    for row in Suspension.objects.exclude(slot_id=None).filter(settled_at=None).order_by("id"):
        status = call_status(row.slot_id or 0)
        if status.succeeded is None:
            continue
        moved += 1
        if status.succeeded:
            _settle(row, status.tx_hash, now)
        else:
            _fail(row, Conflict("registry_refused", f"the registry did not take the update: {status.error}"), now)
    return moved


def _settle(row: Suspension, tx_hash: str | None, now: datetime) -> None:
    settled = _as_seen(row).update(slot_id=None, settled_at=now, attempts=0, last_error="", fence=F("fence") + 1)
    # A slower worker must not settle what a faster one has only queued.
    if settled:
        dead_letters.close_alarm("suspendPayer", row.user, reason=f"{row.wanted} on chain", actor=_ACTOR, now=now)
        log.warning("screening.user_moved", user=row.user, to=row.wanted, tx_hash=tx_hash)


def _fail(row: Suspension, error: FiatRailsError, now: datetime) -> None:
    """Try again after a pause, and open the dead letter at once: the gate refuses the payer in any case, others do
    not."""
    log.error("screening.user_not_moved", user=row.user, wanted=row.wanted, error=error.message)
    queue.retry(_MOVES, [row], error, clock=_Instant(now), slot_id=None, settled_at=None)


def _as_seen(row: Suspension) -> QuerySet[Suspension]:
    return Suspension.objects.filter(pk=row.pk, fence=row.fence)


def _queue_of(name: str, condition: str) -> Queue[Suspension, _Pass]:
    return Queue(
        name=f"compliance.{name}",
        model=Suspension,
        condition=f"AND slot_id IS NULL AND {condition}",
        step=_step,
        metric="suspendPayer",
        work=lambda row: Work("suspendPayer", row.user, {"wanted": row.wanted}),
        lasting=True,
    )


_MOVES = _queue_of("suspensions", "settled_at IS NULL")
_CHECKS = _queue_of("suspended", f"settled_at IS NOT NULL AND wanted = '{SUSPENDED}'")
