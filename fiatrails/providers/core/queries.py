"""What is read about the payments that providers reported."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from fiatrails.kernel.choices import parse_states
from fiatrails.kernel.errors import NotFound
from fiatrails.providers.core.models import Payment, PaymentState

# What still waits for something: a confirmation, an intent, its way back.
WAITING = (PaymentState.RECEIVED, PaymentState.UNMATCHED, PaymentState.SURPLUS, PaymentState.REFUNDING)


def list_payments(*, states: Collection[str] = WAITING, since: datetime | None, limit: int) -> list[Payment]:
    """Return the newest payments in these states, their events without the raw bytes; BadInput for an unknown state."""
    rows = Payment.objects.filter(state__in=parse_states(states, PaymentState)).order_by("-pk")
    if since:
        rows = rows.filter(event__received_at__gte=since)
    return list(rows.select_related("event").defer("event__raw")[:limit])


def find_payment(reference: str) -> Payment:
    """Return the payment with this number, or the one that counts for this receipt; NotFound when there is neither."""
    rows = Payment.objects.order_by("-credits", "pk")
    found = rows.filter(receipt=reference.upper()).first()
    if found is None and reference.isdecimal():
        found = rows.filter(pk=int(reference)).first()
    if found is None:
        raise NotFound("payment_not_found", f"no payment {reference[:64]!r}; `fiatrails payments list` shows them")
    return found


def payments_of(intent_id: str) -> list[Payment]:
    """Return everything that providers reported for an intent, in order of arrival."""
    return list(Payment.objects.filter(intent_id=intent_id).order_by("pk"))
