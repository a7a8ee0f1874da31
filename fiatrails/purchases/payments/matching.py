"""Bringing payments and purchases together, whichever came first.

Lock order everywhere: advisory locks of txRefs, purchases by id, inbox rows, the ledger's chain head at COMMIT.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import EntryDraft, post
from fiatrails.providers.core import alarms
from fiatrails.providers.core.models import Payment, PaymentState
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments import payer_names
from fiatrails.purchases.states import Hold, State, after_payment, takes_payment
from fiatrails.purchases.store import Step, hold, move, persist


def lock_tx_refs(tx_refs: Iterable[str]) -> None:
    """Serialise, until the transaction ends, everybody who finds that these txRefs have no purchase (or makes one).

    Without it a callback that sees no purchase and a purchase that sees no callback could both commit, and never meet.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(k) FROM (SELECT DISTINCT hashtextextended(r, 4711) AS k"
            " FROM unnest(%s::text[]) AS r ORDER BY k) AS keys",
            [sorted(set(tx_refs))],
        )


def lock_purchase(tx_ref: str) -> Purchase | None:
    """Lock the purchase of a txRef; when there is none, lock the txRef by name and look once more."""
    if not tx_ref:
        return None
    purchases = Purchase.objects.select_for_update().filter(tx_ref=tx_ref)
    found = purchases.first()
    if found is None:
        lock_tx_refs([tx_ref])
        found = purchases.first()
    return found


def takes(purchase: Purchase, paid: Money) -> bool:
    """Return whether the money belongs to this purchase; otherwise it is surplus and goes back."""
    return paid.currency == purchase.fiat_currency and takes_payment(purchase.state, purchase.hold)


def credit(purchase: Purchase, paid: Money, *, now: datetime) -> Step:
    """Apply a payment to a purchase in memory, one that `takes` it."""
    target, why = after_payment(
        purchase.state,
        expected_minor=purchase.fiat_expected,
        paid_before_minor=purchase.fiat_paid,
        paid_minor=paid.minor,
    )
    purchase.fiat_paid += paid.minor
    if why is None:
        move(purchase, target, now=now, due_at=now)
        return Step(purchase.intent_id, State.PAID, "provider", str(paid))
    reason = _hold_reason(purchase, why)
    hold(purchase, why, now=now, reason=reason)
    return Step(purchase.intent_id, State.HELD, "provider", f"{paid}: {reason}")


def _hold_reason(purchase: Purchase, why: Hold) -> str:
    paid = Money(purchase.fiat_currency, purchase.fiat_paid)
    expected = Money(purchase.fiat_currency, purchase.fiat_expected)
    if why is Hold.LATE_PAYMENT:
        return f"paid {paid} after the intent had ended; accept or refund"
    if purchase.fiat_paid > purchase.fiat_expected:
        return f"paid {paid} where {expected} were due; accept (what is over goes to suspense), or refund"
    return f"paid {paid} of {expected}; accept, wait for the rest, or refund"


def apply_waiting(purchase: Purchase, *, now: datetime) -> None:
    """Give a new purchase the payments that were waiting for it; what it cannot take becomes surplus."""
    waiting = Payment.objects.select_for_update().filter(state=PaymentState.UNMATCHED, tx_ref=purchase.tx_ref)
    for event in waiting.order_by("pk"):
        settle_waiting(event, purchase, now=now)


def settle_waiting(event: Payment, purchase: Purchase, *, now: datetime) -> None:
    """Credit a locked waiting event to its (locked or brand-new) purchase, or call it surplus."""
    money = Money(event.currency, event.amount_minor)
    event.intent_id, event.due_at, event.lease_until = purchase.intent_id, None, None
    if takes(purchase, money):
        step = credit(purchase, money, now=now)
        persist([purchase], [step], now=now)
        purchase.fence += 1
        event.state = PaymentState.APPLIED
        payer_names.keep(event.payer_name, provider=event.provider, purchase=purchase, now=now)
        post([matched_entry(event, purchase)], now=now)
        alarms.clear(event, reason=f"matched with {purchase.intent_id}", now=now)
    else:
        event.state = PaymentState.SURPLUS
    event.save(update_fields=["state", "intent_id", "due_at", "lease_until"])


def matched_entry(event: Payment, purchase: Purchase) -> EntryDraft:
    """Return the entry suspense -> pending, for when the waiting money has found its purchase."""
    return entries.payment_matched(
        provider=event.provider,
        receipt=money_key(event.receipt, event.event_key),
        intent_id=purchase.intent_id,
        money=Money(event.currency, event.amount_minor),
    )


def money_key(receipt: str | None, event_key: str) -> str:
    """Return what names a movement of money in the ledger: its receipt, else the event that reported it."""
    return receipt or event_key
