"""One dead letter for as long as screening is on and no list can be relied on; it closes itself."""

from __future__ import annotations

from datetime import datetime

import structlog

from fiatrails.compliance.lists.rules import Unusable
from fiatrails.controls import dead_letters
from fiatrails.controls.models import DeadLetter
from fiatrails.kernel.errors import Conflict

log = structlog.get_logger(__name__)
_ACTOR = "screening"


def sound(found: Unusable, *, now: datetime) -> None:
    """Opens the dead letter, or brings the open one up to date; every held intent says it too."""
    log.error("screening.unusable", code=found.code, reason=found.reason)
    dead_letters.bury(
        operation="screenPayers", intent_id="", attempts=1, last_error=found.reason, error_class="permanent",
        payload={"code": found.code}, now=now,
    )  # fmt: skip


def all_clear(*, now: datetime) -> None:
    """Closes it, when one is open; somebody else may do so at the same moment."""
    letter = DeadLetter.objects.filter(operation="screenPayers", intent_id="", state=DeadLetter.State.OPEN).first()
    if letter is None:
        return
    try:
        dead_letters.resolve(str(letter.pk), reason="the lists can be relied on again", actor=_ACTOR, now=now)
    except Conflict:
        log.info("screening.alarm_closed_already")
