"""Returning money that belongs to no purchase: above the price, or never matched."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from fiatrails.controls import audit
from fiatrails.controls.modes import Flow, check
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.errors import Conflict, NotFound
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import post
from fiatrails.providers.core import alarms
from fiatrails.providers.core.models import Payment, PaymentState, ProviderRequest, RequestKind, RequestState
from fiatrails.providers.core.requests import open_refund
from fiatrails.purchases.payments.matching import money_key

_RETURNABLE = (PaymentState.SURPLUS, PaymentState.UNMATCHED)


def refund_event(*, event_id: int, actor: str, reason: str, now: datetime, external_reference: str = "") -> Payment:
    """Send the money of a surplus or unmatched payment back; settled by the provider's result.

    While it is on its way no new purchase can claim it. `external_reference`: the operator has paid it back by other
    means, recorded at once. Raises NotFound, Conflict (`not_returnable`), Unprocessable without a receipt.
    """
    check(Flow.REFUND, now=now)
    with transaction.atomic():
        event = _locked(event_id)
        if event.state not in _RETURNABLE:
            raise Conflict("not_returnable", f"a payment that is {event.state} is not surplus or unmatched")
        if external_reference:
            _returned(event, now)
        else:
            _start(event, reason, now)
        details = {"reason": reason, "externalReference": external_reference}
        audit.record(actor, "event.refund", f"event:{event.pk}", details, now=now)
        notify()
    return event


def _locked(event_id: int) -> Payment:
    event = Payment.objects.select_for_update().filter(pk=event_id).first()
    if event is None:
        raise NotFound("event_not_found", "no such payment event")
    return event


def _start(event: Payment, reason: str, now: datetime) -> None:
    request = open_refund(event=event, reason=reason, now=now)
    # The purchase's own refund counts the reversals that carry its id, and this one is not of its money.
    request.intent_id = None
    request.details = {**request.details, "eventState": event.state}
    request.save(update_fields=["intent_id", "details"])
    _set(event, PaymentState.REFUNDING)


def settle_returns(*, now: datetime, limit: int = 100) -> int:
    """Apply what became of the reversals of single events, each once; return how many."""
    ended = ProviderRequest.objects.filter(
        kind=RequestKind.REFUND, intent_id__isnull=True, noted_at__isnull=True, settled_at__isnull=False
    )
    pks = list(ended.order_by("pk").values_list("pk", flat=True)[:limit])
    for pk in pks:
        with transaction.atomic():
            _settle(pk, now)
    return len(pks)


def _settle(pk: int, now: datetime) -> None:
    # Inbox rows are locked before requests everywhere; which event it is never changes.
    event = _locked(int(ProviderRequest.objects.values_list("payment_id", flat=True).get(pk=pk) or 0))
    request = ProviderRequest.objects.select_for_update().get(pk=pk)
    if request.noted_at is not None or request.settled_at is None:
        return
    ProviderRequest.objects.filter(pk=pk).update(noted_at=now)
    if request.state == RequestState.SUCCEEDED:
        _succeeded(event, now)
    elif event.state == PaymentState.REFUNDING:
        before = PaymentState(request.details["eventState"])
        # A purchase may have been made for it while it was on its way: searched for once more.
        _set(event, before, due_at=now if before == PaymentState.UNMATCHED else None)
        why = str(request.result.get("description", "")) or "refused"
        alarms.alarm(event, "refundEvent", f"the provider refused to send it back: {why}", now=now)


def _succeeded(event: Payment, now: datetime) -> None:
    if event.state in (PaymentState.REFUNDING, *_RETURNABLE):
        _returned(event, now)
    elif event.state != PaymentState.REFUNDED:
        # Refused at first, matched meanwhile, and then reversed after all: a person has to sort it out.
        alarms.alarm(event, "reversedAfterMatch", "the provider reversed a payment that an intent holds", now=now)


def _returned(event: Payment, now: datetime) -> None:
    entry = entries.suspense_refunded(
        provider=event.provider,
        receipt=money_key(event.receipt, event.event_key),
        money=Money(event.currency, event.amount_minor),
        intent_id=event.intent_id or "",
    )
    post([entry], now=now)
    _set(event, PaymentState.REFUNDED)
    alarms.clear(event, reason="the money went back", now=now)


def _set(event: Payment, state: PaymentState, *, due_at: datetime | None = None) -> None:
    event.state, event.due_at, event.lease_until = state, due_at, None
    event.save(update_fields=["state", "due_at", "lease_until"])
