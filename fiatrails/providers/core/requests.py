"""Requests to providers are rows first: committed, then sent by a worker, settled by the provider's answer."""

from __future__ import annotations

import secrets
from datetime import datetime

from fiatrails.kernel.errors import Conflict, Unprocessable
from fiatrails.providers.core.models import InboxEvent, ProviderRequest, RequestKind, RequestState


def new_reference() -> str:
    """Unguessable; part of the URL that the provider posts the result to."""
    return secrets.token_hex(16)


def open_reversal(*, event: InboxEvent, reason: str, now: datetime) -> ProviderRequest:
    """Asks for the payment of `event` (locked by the caller) to be sent back; one reversal may be live per receipt.

    A reversal that the provider refused for certain may be asked for again; Unprocessable without a receipt.
    """
    if not event.receipt:
        raise Unprocessable(
            "no_receipt",
            "this payment came without a receipt and cannot be reversed through the provider; "
            "pay it back and give the external reference",
        )
    earlier = ProviderRequest.objects.filter(event=event, kind=RequestKind.REVERSAL)
    if earlier.filter(state=RequestState.SUCCEEDED).exists():
        return earlier.get(state=RequestState.SUCCEEDED)
    if earlier.exclude(state=RequestState.FAILED).exists():
        raise Conflict("reversal_live", "a reversal of this payment is already under way")
    return ProviderRequest.objects.create(
        provider=event.provider,
        kind=RequestKind.REVERSAL,
        reference=new_reference(),
        dedupe_key=f"reversal:{event.provider}:{event.receipt}:{earlier.count() + 1}",
        intent_id=event.intent_id,
        event=event,
        amount_minor=event.amount_minor,
        currency=event.currency,
        details={"receipt": event.receipt, "reason": reason[:100]},
        created_at=now,
        due_at=now,
    )
