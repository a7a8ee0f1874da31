"""Periodic jobs are rows unique on (job, slot): whichever worker inserts the row runs the slot, the others do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import connection

from fiatrails.engine.models import PeriodicRun
from fiatrails.kernel.clock import Clock, unix

log = structlog.get_logger(__name__)
OUTCOME_CHARS = 500
KEEP_RUNS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Job:
    """`run(clock)` once per `every` seconds over all workers; returns a short text for the record."""

    name: str
    every_s: int
    run: Callable[[Clock], str]


_registered: list[Job] = []


def register(job: Job) -> None:
    """Add a job of a layer that the worker may not import; from its application's `ready`."""
    if all(known.name != job.name for known in _registered):
        _registered.append(job)


def registered() -> list[Job]:
    """Return the jobs added that way."""
    return list(_registered)


def run_due(jobs: Sequence[Job], *, clock: Clock) -> int:
    """Run those jobs whose current slot nobody has taken; return how many ran. A job that raises is recorded with its
    error and runs again in the next slot."""
    ran = 0
    for job in jobs:
        slot = unix(clock.now()) // job.every_s
        if not _take(job.name, slot, clock.now()):
            continue
        ran += 1
        try:
            outcome = job.run(clock)
        except Exception as error:
            log.exception("periodic.failed", job=job.name)
            outcome = f"failed: {type(error).__name__}: {error}"[:OUTCOME_CHARS]
        PeriodicRun.objects.filter(job=job.name, slot=slot).update(finished_at=clock.now(), outcome=outcome)
    return ran


def _take(name: str, slot: int, now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO engine_periodic_run (job, slot, started_at, outcome) VALUES (%s, %s, %s, '')"
            " ON CONFLICT DO NOTHING RETURNING id",
            [name, slot, now],
        )
        return cursor.fetchone() is not None


def forget_old(*, now: datetime) -> int:
    """Delete records of runs that nobody asks about any more."""
    return PeriodicRun.objects.filter(started_at__lt=now - KEEP_RUNS).delete()[0]
