"""Guessing of passwords: after a few failures for a name, that name waits. The same for names that nobody has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import structlog
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import QuerySet

from fiatrails.admin.models import SignInFailure
from fiatrails.controls import audit
from fiatrails.kernel.errors import TooMany

log = structlog.get_logger(__name__)
MAX_FAILURES = 5
WINDOW = timedelta(minutes=15)
_LOCK = "SELECT pg_advisory_xact_lock(4720, hashtext(%s))"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that was let through. `last`: should it fail, the name waits."""

    row: int
    name: str
    last: bool


def begin(name: str, *, now: datetime) -> Attempt:
    """Counts the attempt as failed before the password is looked at, which takes long: of many at the same time only
    so many get that far. TooMany when the name has to wait."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [name])
        failures = list(_recent(name, now)[:MAX_FAILURES])
        if len(failures) >= MAX_FAILURES:
            raise _waits(failures[-1].at + WINDOW - now)
        row = SignInFailure.objects.create(name=name, at=now)
    return Attempt(row.pk, name, last=len(failures) + 1 == MAX_FAILURES)


def succeeded(attempt: Attempt) -> None:
    """The password was right: the attempt is no failure. Earlier failures go on to count until they are old."""
    SignInFailure.objects.filter(pk=attempt.row).delete()


def failed(attempt: Attempt, *, now: datetime) -> None:
    """The password was wrong, or nobody has this name. The audit log hears of accounts that are locked out; of names
    that nobody has it does not, or strangers could fill it."""
    if not attempt.last:
        return
    log.warning("operator.locked_out", minutes=WINDOW // timedelta(minutes=1))
    if get_user_model().objects.filter(username=attempt.name).exists():
        details = {"failures": MAX_FAILURES, "minutes": WINDOW // timedelta(minutes=1)}
        audit.record("admin", "operator.locked_out", attempt.name, details, now=now)


def forget(name: str) -> None:
    """Forgets the failures of a name that was given a new password."""
    SignInFailure.objects.filter(name=name).delete()


def purge(*, now: datetime) -> int:
    """Removes failures that count no more; how many."""
    removed, _ = SignInFailure.objects.filter(at__lte=now - WINDOW).delete()
    return removed


def _recent(name: str, now: datetime) -> QuerySet[SignInFailure]:
    return SignInFailure.objects.filter(name=name, at__gt=now - WINDOW).order_by("-at")


def _waits(left: timedelta) -> TooMany:
    minutes = max(1, ceil(left / timedelta(minutes=1)))
    text = f"Too many failed attempts under this name. Wait {minutes} minute{'s' * (minutes > 1)} and try again."
    return TooMany("sign_in_locked", text, retry_after=ceil(left.total_seconds()))
