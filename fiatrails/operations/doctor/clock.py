"""The clock of this machine, compared with others."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from django.db import Error as DatabaseError

from fiatrails.engine import database_clock
from fiatrails.operations.doctor.checks import CheckResult, Context, Findings, Level
from fiatrails.providers.mpesa.config import mpesa_config

_MAX_SKEW_SECONDS = 30


def check_clock(context: Context) -> Findings:
    """Compare this clock with two others: signatures and callbacks are refused when it is wrong."""
    block = context.rpc(context.config.profile.rpc_urls[0], "eth_getBlockByNumber", "latest", False)
    if isinstance(block, dict):
        seen = datetime.fromtimestamp(int(block["timestamp"], 16), UTC)
        # An idle chain without interval mining has an old head; only a head from the future proves a wrong clock.
        yield _skew("clock, chain head", max(0.0, (seen - context.now).total_seconds()))
    with contextlib.suppress(DatabaseError):  # `check_postgres` says why
        seconds = abs((database_clock.read() - context.now).total_seconds())
        yield _skew("clock, database", seconds)
    base_url = mpesa_config(context.config).base_url
    if base_url:
        dated = context.http.get(base_url).headers.get("date")
        if dated:
            seconds = abs((parsedate_to_datetime(dated) - context.now).total_seconds())
            yield _skew("clock, M-PESA", seconds)


def _skew(name: str, seconds: float) -> CheckResult:
    if seconds > _MAX_SKEW_SECONDS:
        return CheckResult(name, Level.FAIL, f"differs by {seconds:.0f} s", "synchronise the clock (NTP)")
    return CheckResult(name, Level.OK, f"within {_MAX_SKEW_SECONDS} s")
