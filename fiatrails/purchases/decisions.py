"""What an operator decides about a held intent: accept it as it is, or cancel one that nobody paid."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from fiatrails.controls import audit
from fiatrails.controls.modes import Flow, check
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.errors import Conflict
from fiatrails.kernel.metrics import mint_intents
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import post
from fiatrails.purchases.intents import get_intent, release_daily_limit
from fiatrails.purchases.models import Intent
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.states import Hold, State
from fiatrails.purchases.store import Step, move, persist


def accept(*, intent_id: str, actor: str, reason: str, now: datetime) -> Intent:
    """Lets a held intent go on: it is cleared again and then minted for its full amount.

    A payment that was too large or too small is settled in the ledger first: what is over goes to suspense, to be
    returned; what is short is written off. Compliance cannot be overridden here: a payer who is still refused is
    held again.
    """
    check(Flow.ACCEPT, now=now)
    get_intent(intent_id=intent_id)
    with transaction.atomic():
        intent = Intent.objects.select_for_update().get(intent_id=intent_id)
        if intent.state != State.HELD:
            raise Conflict("not_held", f"only a held intent can be accepted; this one is {intent.state}")
        if refunds.went_back(intent):
            raise Conflict("partly_refunded", "some of the money went back to the payer already; refund the rest")
        _settle_difference(intent, now)
        held_for = intent.hold
        move(intent, State.PAID, now=now, due_at=now, reason=reason)
        persist([intent], [Step(intent.intent_id, intent.state, actor, f"accepted: {reason}")], now=now)
        details = {"reason": reason, "hold": held_for}
        audit.record(actor=actor, action="intent.accept", subject=intent_id, details=details, now=now)
        notify()
    return intent


def _settle_difference(intent: Intent, now: datetime) -> None:
    difference = intent.fiat_paid - intent.fiat_expected
    if difference == 0 or intent.hold not in (Hold.AMOUNT_MISMATCH, Hold.LATE_PAYMENT):
        return
    money = Money(intent.fiat_currency, abs(difference))
    build = entries.overpayment_to_suspense if difference > 0 else entries.shortfall_written_off
    post([build(intent_id=intent.intent_id, money=money)], now=now)
    intent.fiat_paid = intent.fiat_expected


def cancel(*, intent_id: str, actor: str, reason: str, now: datetime) -> Intent:
    """Ends an intent that nobody has paid. A payment that still arrives holds it for an operator."""
    check(Flow.CANCEL, now=now)
    get_intent(intent_id=intent_id)
    with transaction.atomic():
        intent = Intent.objects.select_for_update().get(intent_id=intent_id)
        move(intent, State.CANCELLED, now=now, due_at=None, reason=reason)
        persist([intent], [Step(intent.intent_id, intent.state, actor, reason)], now=now)
        release_daily_limit([intent])
        transaction.on_commit(mint_intents.labels(status="failed").inc)
        audit.record(actor=actor, action="intent.cancel", subject=intent_id, details={"reason": reason}, now=now)
    return intent
