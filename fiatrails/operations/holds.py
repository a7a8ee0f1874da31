"""What holds mints back, as alarms: one for each lane and country, for as long as it holds."""

from __future__ import annotations

from datetime import timedelta

from fiatrails.chains.core.holds import ChainHold
from fiatrails.engine import dead_letters
from fiatrails.kernel.clock import Clock, isoformat
from fiatrails.purchases import waiting

ALARM = "mintsHeld"
# What ends by itself within this time is no business of anybody's.
_ALARM_AFTER = timedelta(seconds=30)


def watch(clock: Clock) -> str:
    """Open the alarm of what has held for half a minute, and close those of what goes on again."""
    now = clock.now()
    found = {_subject(hold): hold for hold in waiting.holds(now=now)}
    lasting = {subject: hold for subject, hold in found.items() if now - hold.since >= _ALARM_AFTER}
    for subject, hold in lasting.items():
        dead_letters.add(
            operation=ALARM,
            subject=subject,
            attempts=1,
            last_error=hold.detail,
            error_class=dead_letters.PERMANENT,
            payload={"reason": hold.reason.value, "since": isoformat(hold.since)},
            now=now,
        )
    for subject in dead_letters.open_subjects(ALARM) - set(found):
        dead_letters.close_alarm(ALARM, subject, reason="mints go out again", actor="worker", now=now)
    return f"{len(lasting)} held"


def _subject(hold: ChainHold) -> str:
    return f"{hold.chain} {hold.role} {hold.address}"
