"""One dead letter for as long as screening is on and no list can be relied on; it closes itself."""

from __future__ import annotations

from datetime import datetime

import structlog

from fiatrails.engine import dead_letters
from fiatrails.screening.lists.rules import Unusable

log = structlog.get_logger(__name__)
_ACTOR = "screening"


def raise_alarm(found: Unusable, *, now: datetime) -> None:
    """Open the dead letter, or bring the open one up to date; every held intent says it too."""
    log.error("screening.unusable", code=found.code, reason=found.reason)
    dead_letters.add(
        operation="screenPayers",
        subject="",
        attempts=1,
        last_error=found.reason,
        error_class="permanent",
        payload={"code": found.code},
        now=now,
    )


def clear_alarm(*, now: datetime) -> None:
    """Close it, when one is open."""
    dead_letters.close_alarm("screenPayers", "", reason="the lists can be relied on again", actor=_ACTOR, now=now)
