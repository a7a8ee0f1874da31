"""What holds mints back at the moment, by what the workers last recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fiatrails.operations.doctor.checks import CheckResult, Context, Findings, Level

if TYPE_CHECKING:
    from datetime import datetime

    from fiatrails.chains.core.holds import ChainHold

# What ends by itself within this time is worth a warning only.
_LASTING = timedelta(seconds=60)


def check_holds(context: Context) -> Findings:
    """Check that every lane and every country can mint, and that no paid intent waits for coins."""
    # The checks are imported before Django is set up: a configuration that cannot be read is a finding.
    from fiatrails.purchases import waiting

    found = waiting.holds(now=context.now)
    if not found:
        yield CheckResult("holds", Level.OK, "nothing holds mints back")
    for hold in found:
        yield _finding(hold, context.now)


def _finding(hold: ChainHold, now: datetime) -> CheckResult:
    from fiatrails.chains.core.holds import HoldReason

    # An operator's own mode is no fault.
    passing = hold.reason is HoldReason.MODE or now - hold.since < _LASTING
    what, _, next_step = hold.detail.partition("; ")
    since = f"since {hold.since:%Y-%m-%d %H:%M:%S} UTC: {what}"
    return CheckResult(f"holds {hold.address}", Level.WARN if passing else Level.FAIL, since, next_step)
