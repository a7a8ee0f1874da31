"""Asking a payer for the price of a purchase, and telling the purchase's timeline how that ended."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from fiatrails.controls.modes import Flow, check
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.errors import Conflict
from fiatrails.kernel.money import Money
from fiatrails.providers.core.charges import Charger, ended
from fiatrails.providers.core.models import ProviderRequest, RequestKind, RequestState
from fiatrails.providers.core.requests import OPEN_STATES
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.queries import get_purchase
from fiatrails.purchases.states import State
from fiatrails.purchases.store import Step, record_steps


def start(*, intent_id: str, charger: Charger, now: datetime) -> ProviderRequest:
    """Commit a request for what the purchase costs; a worker sends it. One per purchase is live at a time.

    Raises NotFound, Conflict (`not_awaiting_payment`, `push_live`, `push_paid`), Unprocessable when the provider cannot
    collect the price. A request that ended unpaid leaves the purchase waiting, and another may be started.
    """
    check(Flow.BEGIN_PAYMENT, now=now, scopes=(charger.provider,))
    get_purchase(intent_id=intent_id)
    with transaction.atomic():
        # The purchase's lock: two clicks at once must not both find no live request.
        purchase = Purchase.objects.select_for_update().get(intent_id=intent_id)
        if purchase.state != State.AWAITING_PAYMENT or now >= purchase.expires_at:
            raise Conflict("not_awaiting_payment", f"the intent is {purchase.state} and cannot be paid by a push")
        money = Money(purchase.fiat_currency, purchase.fiat_expected)
        charger.require_possible(money)
        number = _require_no_live_charge(purchase) + 1
        request = charger.open(
            intent_id=purchase.intent_id, tx_ref=purchase.tx_ref, money=money, number=number, now=now
        )
        asked = Step(purchase.intent_id, purchase.state, charger.provider, charger.asked(number))
        record_steps([asked], now=now)
        notify()
    return request


def _require_no_live_charge(purchase: Purchase) -> int:
    """Return how many there were. One that ran out of attempts (its dead letter is open) no longer blocks."""
    earlier = ProviderRequest.objects.filter(intent_id=purchase.intent_id, kind=RequestKind.CHARGE)
    live = earlier.filter(state__in=OPEN_STATES, due_at__isnull=False).first()
    if live is not None:
        raise Conflict("push_live", "the payer's phone is being asked already; wait for the outcome")
    if earlier.filter(state=RequestState.SUCCEEDED).exists():
        raise Conflict("push_paid", "a push of this intent was paid; it is being credited")
    return earlier.count()


def report_ended(*, now: datetime, limit: int = 100) -> int:
    """Write how settled charges ended to their purchases' timelines, each once; return how many."""
    with transaction.atomic():
        settled = ProviderRequest.objects.select_for_update(skip_locked=True).filter(
            kind=RequestKind.CHARGE, noted_at__isnull=True, settled_at__isnull=False
        )
        charges = list(settled.order_by("pk")[:limit])
        states = dict(
            Purchase.objects.filter(intent_id__in=[c.intent_id for c in charges]).values_list("intent_id", "state")
        )
        record_steps([_ended(charge, states[str(charge.intent_id)]) for charge in charges], now=now)
        ProviderRequest.objects.filter(pk__in=[charge.pk for charge in charges]).update(noted_at=now)
    return len(charges)


def _ended(charge: ProviderRequest, state: str) -> Step:
    paid = charge.state == RequestState.SUCCEEDED
    return Step(str(charge.intent_id), state, charge.provider, ended(charge, paid=paid))
