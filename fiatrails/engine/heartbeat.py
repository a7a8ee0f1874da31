"""Signs of life: a worker that is silently absent must show."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from fiatrails.engine.models import Heartbeat

FORGET_AFTER = timedelta(days=1)
# The loops of a worker, and how long each may be silent. They beat every five seconds between their steps; a job may
# load a list or read the whole ledger before the next one begins.
WORKER_LOOPS = {
    "advance": timedelta(seconds=20),
    "lanes": timedelta(seconds=20),
    "providers": timedelta(seconds=20),
    "jobs": timedelta(minutes=15),
}
# A beat from further ahead was written by a wrong clock and says nothing.
_AHEAD = timedelta(seconds=20)


def beat(name: str, *, now: datetime) -> None:
    """Record that `name` is alive; commits on its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO engine_heartbeat (name, at) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET at = EXCLUDED.at",
            [name, now],
        )


def latest() -> datetime | None:
    """Return the newest sign of life of any worker loop, or None when there never was one."""
    row = Heartbeat.objects.order_by("-at").first()
    return row.at if row else None


def silent_loops(*, now: datetime) -> list[str]:
    """Return which of the worker's loops no worker runs at present."""
    beats = Heartbeat.objects.filter(at__gt=now - max(WORKER_LOOPS.values()), at__lte=now + _AHEAD)
    last: dict[str, datetime] = {}
    for name, at in beats.order_by("at").values_list("name", "at"):
        last[name.partition("@")[0]] = at
    return [loop for loop, silent_for in WORKER_LOOPS.items() if loop not in last or now - last[loop] > silent_for]


def forget_old(*, now: datetime) -> int:
    """Delete heartbeats of processes that ended long ago."""
    return Heartbeat.objects.filter(at__lt=now - FORGET_AFTER).delete()[0]
