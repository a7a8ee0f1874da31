"""Asking for the state of a payment by its receipt: a request of its own, answered by a result callback."""

from __future__ import annotations

from datetime import datetime, timedelta

from fiatrails.providers.core.models import Payment, ProviderRequest, RequestKind, RequestState
from fiatrails.providers.core.requests import new_reference
from fiatrails.providers.mpesa import codes
from fiatrails.providers.mpesa.codes import Standing, Transaction
from fiatrails.providers.mpesa.config import mpesa_config

RESULT_TIMEOUT = timedelta(seconds=30)
# A query that brought no result is sent this often in all; whoever asked decides then whether to ask anew.
STATUS_SENDS = 3


def open_status_query(*, event: Payment, purpose: str, number: int, now: datetime, attempt: int = 0) -> ProviderRequest:
    """Ask about the receipt of `event`. `purpose` and `number` name the question: the same one is asked once.
    `attempt`: which attempt of the asker it serves."""
    query, _ = ProviderRequest.objects.get_or_create(
        dedupe_key=f"{purpose}:{event.pk}:{number}",
        defaults={
            "provider": event.provider,
            "kind": RequestKind.QUERY,
            "reference": new_reference(),
            "payment": event,
            "details": {"receipt": event.receipt, "purpose": purpose, "attempt": attempt},
            "amount_minor": event.amount_minor,
            "currency": event.currency,
            "created_at": now,
            "due_at": now,
        },
    )
    return query


def is_open(query: ProviderRequest) -> bool:
    """Return whether the answer may still come."""
    return query.state not in (RequestState.SUCCEEDED, RequestState.FAILED)


def read(query: ProviderRequest) -> Transaction:
    """Return what a settled query says."""
    if query.state != RequestState.SUCCEEDED:
        return Transaction(Standing.UNCLEAR, None, "the provider gave no answer about the payment")
    result = query.result
    return codes.transaction(
        str(result.get("code", "")),
        result.get("parameters", {}),
        receipt=query.details["receipt"],
        shortcode=mpesa_config().shortcode,
        currency=query.currency,
    )
