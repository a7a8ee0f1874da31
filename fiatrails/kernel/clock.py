"""One clock, passed in. Nothing else in the product asks the operating system or the database for the time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Source of the present moment; every datetime in the product is timezone-aware UTC."""

    def now(self) -> datetime:
        """Return the present moment, aware, UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, UTC."""
        return datetime.now(UTC)


def unix(moment: datetime) -> int:
    """Return whole Unix seconds."""
    return int(moment.timestamp())


def isoformat(moment: datetime) -> str:
    """Return RFC 3339 with milliseconds and Z, the only format that leaves the product."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
