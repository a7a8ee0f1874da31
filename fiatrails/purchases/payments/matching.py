"""Bringing payments and intents together, whichever came first.

Lock order everywhere: advisory locks of txRefs, intents by id, inbox rows, the ledger's chain head at COMMIT.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import EntryDraft, post
from fiatrails.providers.core.models import Payment, PaymentState
from fiatrails.purchases.models import Intent
from fiatrails.purchases.payments import payer_names
from fiatrails.purchases.states import Hold, State, after_payment, takes_payment
from fiatrails.purchases.store import Step, hold, move, persist


def lock_tx_refs(tx_refs: Iterable[str]) -> None:
    """Serialises, until the transaction ends, everybody who finds that these txRefs have no intent (or makes one).

    Without it a callback that sees no intent and an intent that sees no callback could both commit, and never meet.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(k) FROM (SELECT DISTINCT hashtextextended(r, 4711) AS k"
            " FROM unnest(%s::text[]) AS r ORDER BY k) AS keys",
            [sorted(set(tx_refs))],
        )


def lock_intent(tx_ref: str) -> Intent | None:
    """Lock the intent of a txRef; when there is none, lock the txRef by name and look once more."""
    if not tx_ref:
        return None
    intents = Intent.objects.select_for_update().filter(tx_ref=tx_ref)
    found = intents.first()
    if found is None:
        lock_tx_refs([tx_ref])
        found = intents.first()
    return found


def takes(intent: Intent, paid: Money) -> bool:
    """True when the money belongs to this intent; otherwise it is surplus and goes back."""
    return paid.currency == intent.fiat_currency and takes_payment(intent.state, intent.hold)


def credit(intent: Intent, paid: Money, *, now: datetime) -> Step:
    """Applies a payment to an intent in memory, one that `takes` it."""
    target, why = after_payment(
        intent.state,
        expected_minor=intent.fiat_expected,
        paid_before_minor=intent.fiat_paid,
        paid_minor=paid.minor,
    )
    intent.fiat_paid += paid.minor
    if why is None:
        move(intent, target, now=now, due_at=now)
        return Step(intent.intent_id, State.PAID, "provider", str(paid))
    reason = _hold_reason(intent, why)
    hold(intent, why, now=now, reason=reason)
    return Step(intent.intent_id, State.HELD, "provider", f"{paid}: {reason}")


def _hold_reason(intent: Intent, why: Hold) -> str:
    paid = Money(intent.fiat_currency, intent.fiat_paid)
    expected = Money(intent.fiat_currency, intent.fiat_expected)
    if why is Hold.LATE_PAYMENT:
        return f"paid {paid} after the intent had ended; accept or refund"
    return f"paid {paid} of {expected}; accept, wait for the rest, or refund"


def apply_waiting(intent: Intent, *, now: datetime) -> None:
    """Gives a new intent the payments that were waiting for it; what it cannot take becomes surplus."""
    waiting = Payment.objects.select_for_update().filter(state=PaymentState.UNMATCHED, tx_ref=intent.tx_ref)
    for event in waiting.order_by("pk"):
        settle_waiting(event, intent, now=now)


def settle_waiting(event: Payment, intent: Intent, *, now: datetime) -> None:
    """One locked waiting event and its (locked or brand-new) intent: credited, or surplus."""
    money = Money(event.currency, event.amount_minor)
    event.intent_id, event.due_at, event.lease_until = intent.intent_id, None, None
    if takes(intent, money):
        step = credit(intent, money, now=now)
        persist([intent], [step], now=now)
        intent.fence += 1
        event.state = PaymentState.APPLIED
        payer_names.keep(event.payer_name, provider=event.provider, intent=intent, now=now)
        post([matched_entry(event, intent)], now=now)
    else:
        event.state = PaymentState.SURPLUS
    event.save(update_fields=["state", "intent_id", "due_at", "lease_until"])


def matched_entry(event: Payment, intent: Intent) -> EntryDraft:
    """Suspense -> pending, once the waiting money has found its intent."""
    return entries.payment_matched(
        provider=event.provider,
        receipt=money_key(event.receipt, event.event_key),
        intent_id=intent.intent_id,
        money=Money(event.currency, event.amount_minor),
    )


def money_key(receipt: str | None, event_key: str) -> str:
    """What names a movement of money in the ledger: its receipt, else the event that reported it."""
    return receipt or event_key
