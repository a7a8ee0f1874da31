"""On-chain compliance of wallets with a case: taken away while one stands, given back when all are ended.

Each pass starts from the rows, and a registry update is queued in the transaction that writes its slot down, so a crash
anywhere is healed by the next pass of any worker. The registry is read outside of transactions; what an officer has
written there meanwhile is never overwritten by a return to what was before.

An officer's attestation may be on its way while a case is opened. The lane mines in the order of its queue, so what is
queued behind it lands behind it: the newest update under way counts, and not what the chain says until then. Nobody may
attest while a case stands, so a wallet that is verified all the same was attested before, by whatever way: wallets that
are suspended are looked at again for as long as a case stands.
"""

from __future__ import annotations

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
from fiatrails.engine import dead_letters
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.backoff import delay
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import FiatRailsError, OutsideUnknown

log = structlog.get_logger(__name__)
SUSPENDED, RESTORED = "suspended", "restored"
_ACTOR = "screening"
LOOK_AGAIN = timedelta(minutes=1)
_ACTIVE = ~Q(wanted=RESTORED, settled_at__isnull=False)
_STANDING = Case.objects.filter(user=OuterRef("user"), state__in=[state.value for state in STANDING])


def run_job(clock: Clock) -> str:
    """One pass as a periodic job; "off" without screening. Without an answer of the chain the next pass goes on."""
    if not checks.enabled():
        return "off"
    try:
        return f"{settle(pool=default_pool(), now=clock.now())} moved"
    except OutsideUnknown as unknown:
        return f"waiting: {unknown.code}"


def settle(*, pool: RpcPool, now: datetime) -> int:
    """One pass; how many rows moved. OutsideUnknown when the chain does not answer."""
    return _follow(now) + _turn(now) + _begin(now) + _send(pool, now)


def told(user: str) -> str:
    """What the chain was told of the wallet, in words: `untouched`, `suspended`, `to be restored` and the like."""
    newest = Suspension.objects.filter(user=user).order_by("-id").first()
    if newest is None:
        return "untouched"
    return newest.wanted if newest.settled_at else f"to be {newest.wanted}"


def withhold(user: str) -> bool:
    """What was taken away is not given back, because an officer says "not verified" as well; in the caller's
    transaction, under `cases.lock`. Whether there was anything."""
    held = Suspension.objects.filter(_ACTIVE, user=user, risk_score__isnull=False)
    return bool(held.update(risk_score=None, attestation_hash=""))


def _begin(now: datetime) -> int:
    """A row for every wallet with a standing case that has none."""
    known = Suspension.objects.filter(_ACTIVE, user=OuterRef("user"))
    users = Case.objects.filter(state__in=[state.value for state in STANDING]).exclude(Exists(known))
    rows = [
        Suspension(user=user, wanted=SUSPENDED, due_at=now, opened_at=now)
        for user in users.values_list("user", flat=True).distinct()[:MAX_USERS_PER_READ]
    ]
    # Another worker may do the same: the index lets one row in.
    Suspension.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def _turn(now: datetime) -> int:
    """Wallets whose cases are all ended are to be restored; those that a new case found on the way back are not. A
    return under way is not waited for: the suspension is queued behind it."""
    back = _turned(Q(wanted=SUSPENDED, slot_id=None), to=RESTORED, stands=False, now=now)
    return back + _turned(Q(wanted=RESTORED, settled_at=None), to=SUSPENDED, stands=True, now=now)


def _turned(which: Q, *, to: str, stands: bool, now: datetime) -> int:
    rows = Suspension.objects.filter(which).annotate(stands=Exists(_STANDING)).filter(stands=stands)
    ids = list(rows.values_list("pk", flat=True)[:MAX_USERS_PER_READ])
    # Another worker may have moved some of them since: `which` is asked again.
    return Suspension.objects.filter(which, pk__in=ids).update(
        wanted=to, slot_id=None, settled_at=None, attempts=0, due_at=now
    )


def _send(pool: RpcPool, now: datetime) -> int:
    """Wallets that have to be moved, then those that stay suspended, whose turn it is to be looked at."""
    due = Suspension.objects.filter(Q(settled_at=None) | Q(wanted=SUSPENDED), slot_id=None, due_at__lte=now)
    rows = list(due.order_by(F("settled_at").asc(nulls_first=True), "due_at")[:MAX_USERS_PER_READ])
    # Asked before the chain is: what becomes final in between may be missing in the answer, and is still counted.
    since = oldest_open_nonce()
    entries = read_users([row.user for row in rows], pool=pool) if rows else {}
    return sum(_send_one(row, entries[row.user], since=since, now=now) for row in rows)


def _send_one(seen: Suspension, entry: UserCompliance, *, since: int, now: datetime) -> bool:
    """Whether the row moved. `since`: registry updates with nonces below it are in `entry`."""
    try:
        with transaction.atomic():
            # Nobody opens a case of this user, or attests them, until the update is queued.
            cases.lock(seen.user)
            row = Suspension.objects.select_for_update().get(pk=seen.pk)
            unchanged = (row.slot_id, row.settled_at, row.wanted) == (None, seen.settled_at, seen.wanted)
            if not unchanged or bool(cases.standing([row.user])) != (row.wanted == SUSPENDED):
                return False
            moved = _decide(row, entry, queued_update(row.user, since=since), now)
            row.save()
            if moved:
                notify()
    except OutsideUnknown:
        raise
    except FiatRailsError as fault:
        _fail(seen, fault.message, now)
        return True
    return moved


def _decide(row: Suspension, entry: UserCompliance, under_way: QueuedUpdate | None, now: datetime) -> bool:
    """The registry update, or nothing when there is nothing to take away or to give back; whether the row moved."""
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
    if row.wanted == RESTORED and row.risk_score is not None and not entry.is_verified and _is_as_left(row, entry):
        _queue(row, row.risk_score, now)
        return True
    moved = row.settled_at is None
    row.settled_at, row.due_at = row.settled_at or now, now + LOOK_AGAIN
    return moved


def _queue(row: Suspension, risk_score: int, now: datetime) -> None:
    row.settled_at = None
    row.slot_id = enqueue_update(row.user, risk_score, row.attestation_hash, row.wanted == RESTORED, now=now)
    details = {"riskScore": risk_score, "attestationHash": row.attestation_hash, "slot": row.slot_id}
    audit.record(_ACTOR, f"user.{row.wanted}", row.user, details, now=now)


def _is_as_left(row: Suspension, entry: UserCompliance) -> bool:
    return (entry.risk_score, entry.attestation_hash) == (row.risk_score, row.attestation_hash)


def _follow(now: datetime) -> int:
    """What became of the updates under way."""
    moved = 0
    for row in Suspension.objects.exclude(slot_id=None).filter(settled_at=None).order_by("id"):
        status = call_status(row.slot_id or 0)
        if status.succeeded is None:
            continue
        moved += 1
        if status.succeeded:
            _as_seen(row).update(slot_id=None, settled_at=now, attempts=0)
            dead_letters.close_alarm("suspendPayer", row.user, reason=f"{row.wanted} on chain", actor=_ACTOR, now=now)
            log.warning("screening.user_moved", user=row.user, to=row.wanted, tx_hash=status.tx_hash)
        else:
            _fail(row, f"the registry did not take the update: {status.error}", now)
    return moved


def _fail(row: Suspension, error: str, now: datetime) -> None:
    """Tried again after a pause, and said meanwhile: the gate refuses the payer in any case, others do not."""
    log.error("screening.user_not_moved", user=row.user, wanted=row.wanted, error=error)
    attempts = row.attempts + 1
    _as_seen(row).update(
        slot_id=None, settled_at=None, attempts=attempts, due_at=now + delay(attempts, profile().retry)
    )
    dead_letters.add(
        operation="suspendPayer", subject=row.user, attempts=attempts, last_error=error, error_class="permanent",
        payload={"wanted": row.wanted}, now=now,
    )  # fmt: skip


def _as_seen(row: Suspension) -> QuerySet[Suspension]:
    """The row, unless it is about another update by now: a slower worker must not settle what is only on its way."""
    return Suspension.objects.filter(pk=row.pk, wanted=row.wanted, slot_id=row.slot_id)
