"""What an operator decides about a held purchase: accept it as it is, or cancel one that nobody paid."""

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
from fiatrails.purchases import daily_limit
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.queries import get_purchase
from fiatrails.purchases.states import Hold, State
from fiatrails.purchases.store import Step, move, persist


def accept(*, intent_id: str, actor: str, reason: str, now: datetime) -> Purchase:
    """Let a held purchase go on: it is cleared again and then minted for its full amount.

    A payment that was too large or too small is settled in the ledger first: what is over goes to suspense, to be
    returned; what is short is written off. One that had ended takes from the daily limit again. Compliance cannot be
    overridden here: a payer who is still refused is held again.
    """
    check(Flow.ACCEPT, now=now)
    get_purchase(intent_id=intent_id)
    with transaction.atomic():
        purchase = Purchase.objects.select_for_update().get(intent_id=intent_id)
        if purchase.state != State.HELD:
            raise Conflict("not_held", f"only a held intent can be accepted; this one is {purchase.state}")
        if refunds.went_back(purchase):
            raise Conflict("partly_refunded", "some of the money went back to the payer already; refund the rest")
        daily_limit.take_again(purchase, now=now)
        _settle_difference(purchase, now)
        held_for = purchase.hold
        move(purchase, State.PAID, now=now, due_at=now, reason=reason)
        persist([purchase], [Step(purchase.intent_id, purchase.state, actor, f"accepted: {reason}")], now=now)
        details = {"reason": reason, "hold": held_for}
        audit.record(actor=actor, action="intent.accept", subject=intent_id, details=details, now=now)
        notify()
    return purchase


def _settle_difference(purchase: Purchase, now: datetime) -> None:
    difference = purchase.fiat_paid - purchase.fiat_expected
    if difference == 0 or purchase.hold not in (Hold.AMOUNT_MISMATCH, Hold.LATE_PAYMENT):
        return
    money = Money(purchase.fiat_currency, abs(difference))
    build = entries.overpayment_to_suspense if difference > 0 else entries.shortfall_written_off
    post([build(intent_id=purchase.intent_id, money=money)], now=now)
    purchase.fiat_paid = purchase.fiat_expected


def cancel(*, intent_id: str, actor: str, reason: str, now: datetime) -> Purchase:
    """End a purchase that nobody has paid. A payment that still arrives holds it for an operator."""
    check(Flow.CANCEL, now=now)
    get_purchase(intent_id=intent_id)
    with transaction.atomic():
        purchase = Purchase.objects.select_for_update().get(intent_id=intent_id)
        move(purchase, State.CANCELLED, now=now, due_at=None, reason=reason)
        persist([purchase], [Step(purchase.intent_id, purchase.state, actor, reason)], now=now)
        daily_limit.give_back([purchase])
        transaction.on_commit(mint_intents.labels(status="failed").inc)
        audit.record(actor=actor, action="intent.cancel", subject=intent_id, details={"reason": reason}, now=now)
    return purchase
