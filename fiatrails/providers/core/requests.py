"""Requests to providers are rows first: committed, then sent by a worker, settled by the provider's answer.

Every write of a claimed row says `WHERE fence = mine`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

from fiatrails.engine.wakeup import notify
from fiatrails.kernel.errors import Conflict, Unprocessable
from fiatrails.kernel.money import Money
from fiatrails.providers.core.models import Payment, PaymentState, ProviderRequest, RequestKind, RequestState

OPEN_STATES = (RequestState.CREATED, RequestState.UNKNOWN, RequestState.ACCEPTED)


def new_reference() -> str:
    """Return an unguessable reference; it is part of the URL that the provider posts the result to."""
    return secrets.token_hex(16)


def open_refund(*, event: Payment, reason: str, now: datetime, money: Money | None = None) -> ProviderRequest:
    """Ask for `money` of a payment (locked by the caller) to be sent back; without `money`, for all of it.

    Several refunds of one payment may be asked for, within what was paid; one that the provider refused for certain
    counts no more. The whole payment is sent back once: when that is done already, the request that did it is returned.
    Raises Conflict (`reversal_live`, `refund_exceeds_payment`), Unprocessable without a receipt.
    """
    if not event.receipt:
        raise Unprocessable(
            "no_receipt",
            "this payment came without a receipt and cannot be reversed through the provider; "
            "pay it back and give the external reference",
        )
    earlier = ProviderRequest.objects.filter(payment=event, kind=RequestKind.REFUND)
    counting = list(earlier.exclude(state=RequestState.FAILED).order_by("pk"))
    if money is None:
        done = next((r for r in counting if r.state == RequestState.SUCCEEDED), None)
        if done is not None and done.amount_minor == event.amount_minor:
            return done
        if counting:
            raise Conflict("reversal_live", "a reversal of this payment is already under way")
        money = Money(event.currency, event.amount_minor)
    _require_within(event, money, counting)
    return ProviderRequest.objects.create(
        provider=event.provider,
        kind=RequestKind.REFUND,
        reference=new_reference(),
        dedupe_key=f"reversal:{event.provider}:{event.receipt}:{earlier.count() + 1}",
        intent_id=event.intent_id,
        payment=event,
        amount_minor=money.minor,
        currency=money.currency,
        details={"receipt": event.receipt, "reason": reason[:100]},
        created_at=now,
        due_at=now,
    )


def _require_within(event: Payment, money: Money, counting: Sequence[ProviderRequest]) -> None:
    left = event.amount_minor - sum(request.amount_minor for request in counting)
    if money.currency != event.currency or not 0 < money.minor <= left:
        raise Conflict(
            "refund_exceeds_payment", f"{Money(event.currency, max(0, left))} of this payment can still be sent back"
        )


def update(row: ProviderRequest, **values: object) -> bool:
    """Write columns if the row is still ours; False when a result or another worker was faster."""
    written = ProviderRequest.objects.filter(pk=row.pk, fence=row.fence).update(**values)
    for name, value in values.items():
        setattr(row, name, value)
    return bool(written)


def finish(row: ProviderRequest, state: RequestState, result: Mapping[str, object], *, now: datetime) -> bool:
    """Settle the request, and wake the event that waits for it; False when it is no longer ours."""
    done = update(
        row,
        state=state,
        result=dict(result),
        due_at=None,
        lease_until=None,
        settled_at=now,
        noted_at=None,
        last_error="",
    )
    if done:
        wake_event(row, now=now)
        notify()
    return done


def wake_event(row: ProviderRequest, *, now: datetime) -> None:
    """Make the event whose receipt was asked about due. Only its due time: its own worker's fence stays valid."""
    if row.kind == RequestKind.QUERY and row.payment_id is not None:
        Payment.objects.filter(pk=row.payment_id, state=PaymentState.RECEIVED).update(due_at=now)
