"""Dead letters about payments that need a person."""

from __future__ import annotations

from datetime import datetime

from fiatrails.engine import dead_letters
from fiatrails.providers.core.models import Payment

_UNTIL_SETTLED = ("unmatchedPayment", "surplusPayment", "refundEvent")


def subject_of(event_id: int | None) -> str:
    """Return what the dead letters of an event are about: `event:<number>`."""
    return f"event:{event_id}"


def clear(event: Payment, *, reason: str, now: datetime) -> None:
    """Close the alarms about a payment that has found its purchase or went back: nobody has to look for it any more."""
    for operation in _UNTIL_SETTLED:
        dead_letters.close_alarm(operation, subject_of(event.pk), reason=reason, actor="rail", now=now)


def alarm(event: Payment, operation: str, error: str, *, now: datetime) -> None:
    """Open a dead letter about an event that needs a person; one for each operation and event while it is open."""
    payload = {
        "eventKey": event.event_key,
        "inboxId": event.pk,
        "intentId": event.intent_id or "",
        "txRef": event.tx_ref,
    }
    dead_letters.add(
        operation=operation,
        subject=subject_of(event.pk),
        attempts=max(event.attempts, 1),
        last_error=error,
        error_class=dead_letters.PERMANENT,
        payload=payload,
        now=now,
    )
