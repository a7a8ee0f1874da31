"""Quotas per minute, counted in the database so that all workers share them."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.http import HttpRequest

from fiatrails.api.models import RateCounter
from fiatrails.kernel.client_address import client_address
from fiatrails.kernel.clock import unix
from fiatrails.kernel.errors import TooMany

ANONYMOUS_PER_MIN = 60
# One row per subject, overwritten by the first request of a new minute. GREATEST: a worker whose clock is a second
# behind must not reopen a minute that is over.
_COUNT = """
    INSERT INTO api_rate_counter AS c (subject, minute, used) VALUES (%(subject)s, %(minute)s, 1)
    ON CONFLICT (subject) DO UPDATE
       SET used = CASE WHEN c.minute < EXCLUDED.minute THEN 1 ELSE c.used + 1 END,
           minute = GREATEST(c.minute, EXCLUDED.minute)
    RETURNING used
"""


def count_client(client: str, *, quota: int, now: datetime) -> None:
    """Count a request of an API client; TooMany above its quota."""
    _count(f"client:{client}", quota, now)


def count_anonymous(request: HttpRequest, *, now: datetime) -> None:
    """Count a request that is served to anybody; TooMany above 60 a minute from one address.

    A request that fails authentication is not counted: refusing it costs less than counting it.
    """
    _count(f"address:{client_address(request)}", ANONYMOUS_PER_MIN, now)


def _count(subject: str, quota: int, now: datetime) -> None:
    second = unix(now)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"subject": subject[:96], "minute": second // 60})
        (used,) = cursor.fetchone()
    if used > quota:
        raise TooMany("too_many_requests", f"more than {quota} requests in a minute", retry_after=60 - second % 60)


def purge_counters(*, now: datetime) -> int:
    """Delete counters of minutes that are over; for a periodic job."""
    return RateCounter.objects.filter(minute__lt=unix(now) // 60 - 1).delete()[0]
