"""Purchases as providers see them: whose a payment is, and that it is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fiatrails.kernel.conf import profile
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import post
from fiatrails.providers.core.alarms import alarm
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.inbox import Stored
from fiatrails.providers.core.models import Payment, PaymentState
from fiatrails.providers.core.purchases import Payable
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments import matching, payer_names
from fiatrails.purchases.payments.record import record_payments
from fiatrails.purchases.states import State, takes_payment
from fiatrails.purchases.store import persist


@dataclass(frozen=True, slots=True)
class PayablePurchase:
    """A purchase, as far as a provider needs to know it."""

    purchase: Purchase

    @property
    def tx_ref(self) -> str:
        """Return the payment reference that the payer was given."""
        return self.purchase.tx_ref

    @property
    def missing(self) -> Money | None:
        """Return what is still to be paid; None when the purchase takes no payment in time any more."""
        purchase = self.purchase
        in_time = purchase.state in (State.AWAITING_PAYMENT, State.HELD)
        if not in_time or not takes_payment(purchase.state, purchase.hold):
            return None
        return Money(purchase.fiat_currency, max(0, purchase.fiat_expected - purchase.fiat_paid))


class StoredPurchases:
    """The purchases of this deployment, for its providers (`providers.core.purchases.Purchases`)."""

    def find(self, tx_ref: str) -> PayablePurchase | None:
        """Return the purchase with this reference, or None."""
        purchase = Purchase.objects.filter(tx_ref=tx_ref).first()
        return PayablePurchase(purchase) if purchase else None

    def lock(self, tx_ref: str) -> PayablePurchase | None:
        """Lock the purchase with this reference; without one, lock the reference by name."""
        purchase = matching.lock_purchase(tx_ref)
        return PayablePurchase(purchase) if purchase else None

    def record(self, events: Sequence[PaymentEvent], *, now: datetime) -> list[Stored]:
        """Store payment events and act on those that are new and signed."""
        return record_payments(events, now=now)

    def count(self, event: Payment, payable: Payable | None, money: Money, *, now: datetime) -> None:
        """Count a confirmed payment as `record_payments` does for a signed one: to the purchase, or to suspense."""
        purchase = payable.purchase if isinstance(payable, PayablePurchase) else None
        event.credits, event.amount_minor, event.currency = True, money.minor, money.currency
        event.attempts, event.last_error, event.due_at, event.lease_until = 0, "", None, None
        event.intent_id = purchase.intent_id if purchase else None
        event.tx_ref = purchase.tx_ref if purchase else event.tx_ref
        if purchase is not None and matching.takes(purchase, money):
            _count_for(purchase, event, money, now)
        else:
            _count_to_suspense(purchase, event, money, now)

    def name_payer(self, name: str, event: Payment, *, now: datetime) -> None:
        """Keep the name of who made a payment that is counted already."""
        payer_names.keep_for_purchase(name, provider=event.provider, intent_id=event.intent_id, now=now)


PURCHASES = StoredPurchases()
_WRITTEN = (
    "credits",
    "amount_minor",
    "currency",
    "attempts",
    "last_error",
    "due_at",
    "lease_until",
    "intent_id",
    "tx_ref",
    "state",
)


def _count_for(purchase: Purchase, event: Payment, money: Money, now: datetime) -> None:
    event.state = PaymentState.APPLIED
    step = matching.credit(purchase, money, now=now)
    persist([purchase], [step], now=now)
    payer_names.keep(event.payer_name, provider=event.provider, purchase=purchase, now=now)
    event.save(update_fields=_WRITTEN)
    key = matching.money_key(event.receipt, event.event_key)
    post(
        [entries.payment_received(provider=event.provider, receipt=key, intent_id=purchase.intent_id, money=money)],
        now=now,
    )


def _count_to_suspense(purchase: Purchase | None, event: Payment, money: Money, now: datetime) -> None:
    event.state = PaymentState.SURPLUS if purchase else PaymentState.UNMATCHED
    event.due_at = None if purchase else now + timedelta(seconds=profile().timeouts.unmatched_alarm_s)
    event.save(update_fields=_WRITTEN)
    key = matching.money_key(event.receipt, event.event_key)
    post([entries.unmatched_payment(provider=event.provider, receipt=key, money=money)], now=now)
    if event.state == PaymentState.SURPLUS:
        alarm(event, "surplusPayment", "money beyond what the intent expects; return it", now=now)
