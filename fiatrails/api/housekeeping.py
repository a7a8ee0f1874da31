"""Clean-up of tables that only serve the present: answers past their window, counters of minutes gone by."""

from __future__ import annotations

from fiatrails.api.idempotency import purge_idempotency
from fiatrails.api.throttling import purge_counters
from fiatrails.engine.periodic import Job, register
from fiatrails.kernel.clock import Clock


def register_jobs() -> None:
    """Register the job that purges every ten minutes; each run drops a bounded number of rows, so it never holds a lock
    for long."""
    register(Job("api.purge", 600, _purge))


def _purge(clock: Clock) -> str:
    now = clock.now()
    return f"{purge_idempotency(now=now)} answers, {purge_counters(now=now)} counters"
