"""Times on the command line: "1 hour ago", "in 7 days", or an ISO 8601 time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fiatrails.kernel.errors import BadInput

_UNITS = {
    "second": timedelta(seconds=1),
    "sec": timedelta(seconds=1),
    "s": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "m": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "h": timedelta(hours=1),
    "day": timedelta(days=1),
    "d": timedelta(days=1),
    "week": timedelta(weeks=1),
    "w": timedelta(weeks=1),
}
_RELATIVE = re.compile(r"(?P<count>[0-9]{1,6}|an?)\s*(?P<unit>[a-z]+)(?:\s+ago)?", re.ASCII)
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].+)?", re.ASCII)


def since(text: str, *, now: datetime) -> datetime:
    """Return the moment that `text` means, aware, UTC; times without an offset are UTC. BadInput when it is not
    understood or lies after `now`, which is more likely a slip than a wish for nothing."""
    cleaned = text.strip()
    moment = _relative(cleaned.lower(), now) or _absolute(cleaned)
    if moment is None:
        raise BadInput("malformed_since", 'use "1 hour ago", "2 days ago" or a time such as 2025-11-01T12:34:56Z')
    if moment > now:
        raise BadInput("since_in_future", "since lies in the future; times without an offset are UTC")
    return moment.astimezone(UTC)


def moment(text: str, *, now: datetime) -> datetime:
    """Return the moment that `text` means: "now", "in 7 days" or "7 days" from now, "1 hour ago", or an ISO 8601 time.
    BadInput when it is not understood."""
    cleaned = text.strip().lower()
    if cleaned == "now":
        return now
    before = _relative(cleaned.removeprefix("in "), now)
    ahead = before if before is None or cleaned.endswith("ago") else now + (now - before)
    found = ahead or _absolute(text.strip())
    if found is None:
        raise BadInput("malformed_time", 'use "now", "in 7 days", "1 hour ago" or a time such as 2025-11-01T12:34:56Z')
    return found.astimezone(UTC)


def _relative(text: str, now: datetime) -> datetime | None:
    match = _RELATIVE.fullmatch(text)
    if match is None:
        return None
    unit = match["unit"] if match["unit"] in _UNITS else match["unit"].removesuffix("s")
    if unit not in _UNITS:
        return None
    count = 1 if match["count"].startswith("a") else int(match["count"])
    try:
        return now - count * _UNITS[unit]
    except OverflowError:
        return None


def _absolute(text: str) -> datetime | None:
    if _ISO_DATE.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
