"""Signs of life: a worker that is silently absent must show."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from fiatrails.engine.models import Heartbeat

FORGET_AFTER = timedelta(days=1)


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


def forget_old(*, now: datetime) -> int:
    """Delete heartbeats of processes that ended long ago."""
    return Heartbeat.objects.filter(at__lt=now - FORGET_AFTER).delete()[0]
