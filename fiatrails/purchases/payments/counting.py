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
from fiatrails.purchases.models import Intent
from fiatrails.purchases.payments import matching, payer_names
from fiatrails.purchases.payments.record import record_payments
from fiatrails.purchases.states import State, takes_payment
from fiatrails.purchases.store import persist


@dataclass(frozen=True, slots=True)
class PayableIntent:
    """An intent, as far as a provider needs to know it."""

    intent: Intent

    @property
    def tx_ref(self) -> str:
        """Return the payment reference that the payer was given."""
        return self.intent.tx_ref

    @property
    def missing(self) -> Money | None:
        """Return what is still to be paid; None when the intent takes no payment in time any more."""
        intent = self.intent
        if intent.state not in (State.AWAITING_PAYMENT, State.HELD) or not takes_payment(intent.state, intent.hold):
            return None
        return Money(intent.fiat_currency, max(0, intent.fiat_expected - intent.fiat_paid))


class IntentPurchases:
    """The purchases of this deployment, for its providers (`providers.core.purchases.Purchases`)."""

    def find(self, tx_ref: str) -> PayableIntent | None:
        """Return the intent with this reference, or None."""
        intent = Intent.objects.filter(tx_ref=tx_ref).first()
        return PayableIntent(intent) if intent else None

    def lock(self, tx_ref: str) -> PayableIntent | None:
        """Lock the intent with this reference; without one, lock the reference by name."""
        intent = matching.lock_intent(tx_ref)
        return PayableIntent(intent) if intent else None

    def record(self, events: Sequence[PaymentEvent], *, now: datetime) -> list[Stored]:
        """Store payment events and act on those that are new and signed."""
        return record_payments(events, now=now)

    def count(self, event: Payment, payable: Payable | None, money: Money, *, now: datetime) -> None:
        """Count a confirmed payment as `record_payments` does for a signed one: to the intent, or to suspense."""
        intent = payable.intent if isinstance(payable, PayableIntent) else None
        event.credits, event.amount_minor, event.currency = True, money.minor, money.currency
        event.attempts, event.last_error, event.due_at, event.lease_until = 0, "", None, None
        event.intent_id = intent.intent_id if intent else None
        event.tx_ref = intent.tx_ref if intent else event.tx_ref
        if intent is not None and matching.takes(intent, money):
            _count_for(intent, event, money, now)
        else:
            _count_to_suspense(intent, event, money, now)

    def name_payer(self, name: str, event: Payment, *, now: datetime) -> None:
        """Keep the name of who made a payment that is counted already."""
        payer_names.keep_for_intent(name, provider=event.provider, intent_id=event.intent_id, now=now)


PURCHASES = IntentPurchases()
_WRITTEN = (
    "credits", "amount_minor", "currency", "attempts", "last_error", "due_at", "lease_until", "intent_id", "tx_ref",
    "state",
)  # fmt: skip


def _count_for(intent: Intent, event: Payment, money: Money, now: datetime) -> None:
    event.state = PaymentState.APPLIED
    step = matching.credit(intent, money, now=now)
    persist([intent], [step], now=now)
    payer_names.keep(event.payer_name, provider=event.provider, intent=intent, now=now)
    event.save(update_fields=_WRITTEN)
    key = matching.money_key(event.receipt, event.event_key)
    post(
        [entries.payment_received(provider=event.provider, receipt=key, intent_id=intent.intent_id, money=money)],
        now=now,
    )


def _count_to_suspense(intent: Intent | None, event: Payment, money: Money, now: datetime) -> None:
    event.state = PaymentState.SURPLUS if intent else PaymentState.UNMATCHED
    event.due_at = None if intent else now + timedelta(seconds=profile().timeouts.unmatched_alarm_s)
    event.save(update_fields=_WRITTEN)
    key = matching.money_key(event.receipt, event.event_key)
    post([entries.unmatched_payment(provider=event.provider, receipt=key, money=money)], now=now)
    if event.state == PaymentState.SURPLUS:
        alarm(event, "surplusPayment", "money beyond what the intent expects; return it", now=now)
