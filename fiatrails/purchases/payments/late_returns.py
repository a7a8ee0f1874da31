"""Reversals that succeed late: refused at first, decided upon, and then the money went back after all.

A purchase that can still be stopped is refunded, because its money is gone. One that is minted, or was paid back by
other means as well, is a loss of the house: a person is told, and the books show it.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from fiatrails.engine.wakeup import notify
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import post
from fiatrails.providers.core import alarms
from fiatrails.providers.core.models import Payment, ProviderRequest, RequestKind, RequestState
from fiatrails.purchases.deliveries import is_live
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.payments.matching import money_key
from fiatrails.purchases.states import Hold, State
from fiatrails.purchases.store import Step, hold, persist

_STOPPABLE = (State.PAID, State.HELD)


def settle_late(*, now: datetime, limit: int = 100) -> int:
    """Apply the reversals that succeeded, each once, where the purchase does not wait for them; return how many."""
    succeeded = ProviderRequest.objects.filter(
        kind=RequestKind.REFUND,
        state=RequestState.SUCCEEDED,
        intent_id__isnull=False,
        noted_at__isnull=True,
        settled_at__isnull=False,
    )
    rows = list(succeeded.order_by("pk").values_list("pk", "intent_id", "payment_id")[:limit])
    return sum(_settle(pk, str(intent_id), int(payment_id or 0), now) for pk, intent_id, payment_id in rows)


def _settle(pk: int, intent_id: str, payment_id: int, now: datetime) -> bool:
    with transaction.atomic():
        # Purchase, payment, request: the order in which a refund takes them.
        purchase = Purchase.objects.select_for_update().get(intent_id=intent_id)
        event = Payment.objects.select_for_update().get(pk=payment_id)
        request = ProviderRequest.objects.select_for_update().get(pk=pk)
        done = request.noted_at is None and _apply(purchase, event, request, now)
        if done:
            ProviderRequest.objects.filter(pk=pk).update(noted_at=now)
            notify()
        return done


def _apply(purchase: Purchase, event: Payment, request: ProviderRequest, now: datetime) -> bool:
    """Return whether the reversal is settled with this; a purchase on its way is asked about again."""
    state = State(purchase.state)
    if state is State.REFUNDING:
        return False
    if state is State.REFUNDED:
        _tell_if_paid_back_twice(purchase, event, request, now)
        return True
    if state is State.EXECUTED:
        _book_loss(event, request, now)
        _alarm(event, f"{refunds.WENT_BACK}, and the intent is minted: recover {_money(request)} from the payer", now)
        return True
    if state is State.CLEARED or (state in _STOPPABLE and not is_live(purchase)):
        return _stop(purchase, event, now)
    _alarm(event, f"{refunds.WENT_BACK}, and the intent is {state}: it may be minted without its money", now)
    return False


def _stop(purchase: Purchase, event: Payment, now: datetime) -> bool:
    """Refund the purchase when all of its money went back; hold it when some did."""
    if purchase.state != State.CLEARED and refunds.all_went_back(purchase):
        steps = refunds.settle_returned(purchase, now=now, detail=refunds.WENT_BACK)
        persist([purchase], steps, now=now)
        return True
    # A purchase that is held keeps its reason: it may be that its payer is listed, and then nothing is refunded.
    if purchase.state != State.HELD:
        hold(purchase, Hold.REFUND_FAILED, now=now, reason=refunds.WENT_BACK)
        persist([purchase], [Step(purchase.intent_id, purchase.state, "provider", refunds.WENT_BACK)], now=now)
    if refunds.all_went_back(purchase):
        return False
    _alarm(event, "the provider has sent a part of the money back; refund the rest", now)
    return True


def _tell_if_paid_back_twice(purchase: Purchase, event: Payment, request: ProviderRequest, now: datetime) -> None:
    settled_at, refunded_at = request.settled_at, purchase.refunded_at
    if settled_at is not None and refunded_at is not None and settled_at > refunded_at:
        what = (
            f"{refunds.WENT_BACK}, and it was paid back by other means before: recover {_money(request)} from the payer"
        )
        _alarm(event, what, now)


def _book_loss(event: Payment, request: ProviderRequest, now: datetime) -> None:
    lost = entries.returned_after_delivery(
        provider=event.provider,
        receipt=money_key(event.receipt, event.event_key),
        money=_money(request),
    )
    post(lost, now=now)


def _money(request: ProviderRequest) -> Money:
    return Money(request.currency, request.amount_minor)


def _alarm(event: Payment, what: str, now: datetime) -> None:
    alarms.alarm(event, "reversedAfterDecision", what, now=now)
