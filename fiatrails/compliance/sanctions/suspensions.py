"""On-chain compliance of wallets with a case: taken away while one stands, given back when all are ended.

Each pass starts from the rows, and a registry update is queued in the transaction that writes its slot down, so a crash
anywhere is healed by the next pass of any worker. The registry is read outside of transactions; what an officer has
written there meanwhile is never overwritten by a return to what was before.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from fiatrails.chains.core.pool import RpcPool, default_pool
from fiatrails.chains.evm.registry import (
    MAX_USERS_PER_READ,
    UserCompliance,
    call_status,
    enqueue_update,
    read_users,
)
from fiatrails.compliance.sanctions import checks
from fiatrails.compliance.sanctions.models import Case, Suspension
from fiatrails.compliance.sanctions.states import STANDING
from fiatrails.controls import audit, dead_letters
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.backoff import delay
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import FiatRailsError, OutsideUnknown

log = structlog.get_logger(__name__)
SUSPENDED, RESTORED = "suspended", "restored"
_ACTOR = "screening"
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
    """Wallets whose cases are all ended are to be restored; those that a new case found on the way back are not."""
    at_rest = Suspension.objects.filter(slot_id=None).annotate(stands=Exists(_STANDING))
    back = at_rest.filter(wanted=SUSPENDED, stands=False)
    again = at_rest.filter(wanted=RESTORED, settled_at=None, stands=True)
    fresh = {"settled_at": None, "attempts": 0, "due_at": now}
    return _update(back, wanted=RESTORED, **fresh) + _update(again, wanted=SUSPENDED, **fresh)


def _update(rows: QuerySet[Suspension], **values: object) -> int:
    ids = list(rows.values_list("pk", flat=True)[:MAX_USERS_PER_READ])
    return Suspension.objects.filter(pk__in=ids, slot_id=None).update(**values)


def _send(pool: RpcPool, now: datetime) -> int:
    due = Suspension.objects.filter(slot_id=None, settled_at=None, due_at__lte=now).order_by("due_at")
    rows = list(due[:MAX_USERS_PER_READ])
    entries = read_users([row.user for row in rows], pool=pool) if rows else {}
    return sum(_send_one(row, entries[row.user], now) for row in rows)


def _send_one(seen: Suspension, entry: UserCompliance, now: datetime) -> bool:
    try:
        with transaction.atomic():
            row = Suspension.objects.select_for_update().get(pk=seen.pk)
            if (row.slot_id, row.settled_at, row.wanted) != (None, None, seen.wanted):
                return False
            _queue(row, entry, now)
            row.save()
            notify()
    except OutsideUnknown:
        raise
    except FiatRailsError as fault:
        _fail(seen, fault.message, now)
    return True


def _queue(row: Suspension, entry: UserCompliance, now: datetime) -> None:
    """The registry update, or nothing when there is nothing to take away or to give back."""
    if row.wanted == SUSPENDED:
        if not entry.is_verified:
            row.settled_at = now
            return
        row.risk_score, row.attestation_hash = entry.risk_score, entry.attestation_hash
    elif row.risk_score is None or entry.is_verified or not _is_as_left(row, entry):
        row.settled_at = now
        return
    row.slot_id = enqueue_update(row.user, row.risk_score, row.attestation_hash, row.wanted == RESTORED, now=now)
    details = {"riskScore": row.risk_score, "attestationHash": row.attestation_hash, "slot": row.slot_id}
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
            Suspension.objects.filter(pk=row.pk).update(slot_id=None, settled_at=now, attempts=0)
            dead_letters.close_alarm("suspendPayer", row.user, reason=f"{row.wanted} on chain", actor=_ACTOR, now=now)
            log.warning("screening.user_moved", user=row.user, to=row.wanted, tx_hash=status.tx_hash)
        else:
            _fail(row, f"the registry did not take the update: {status.error}", now)
    return moved


def _fail(row: Suspension, error: str, now: datetime) -> None:
    """Tried again after a pause, and said meanwhile: the gate refuses the payer in any case, others do not."""
    log.error("screening.user_not_moved", user=row.user, wanted=row.wanted, error=error)
    attempts = row.attempts + 1
    Suspension.objects.filter(pk=row.pk).update(
        slot_id=None, attempts=attempts, due_at=now + delay(attempts, profile().retry)
    )
    dead_letters.bury(
        operation="suspendPayer", intent_id=row.user, attempts=attempts, last_error=error, error_class="permanent",
        payload={"wanted": row.wanted}, now=now,
    )  # fmt: skip
