"""Clean-up of what only serves the present: sessions that ended, failed sign-ins past their window."""

from __future__ import annotations

from fiatrails.engine.periodic import Job, register
from fiatrails.kernel.clock import Clock


def register_jobs() -> None:
    """Register the hourly clean-up."""
    register(Job("operators.purge", 3600, _purge))


def _purge(clock: Clock) -> str:
    from django.contrib.sessions.models import Session

    from fiatrails.accounts import sign_ins

    now = clock.now()
    sessions, _ = Session.objects.filter(expire_date__lt=now).delete()
    return f"{sessions} sessions, {sign_ins.purge(now=now)} failures"
