"""Dead letters about payments that need a person."""

from __future__ import annotations

from datetime import datetime

from fiatrails.engine import dead_letters
from fiatrails.providers.core.models import Payment


def subject_of(event_id: int | None) -> str:
    """Return what the dead letters of an event are about: `event:<number>`."""
    return f"event:{event_id}"


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
