"""Giving money back: through the provider's reversal, or recorded by an operator who paid it back elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import models, transaction

from fiatrails.compliance.velocity import store as velocity
from fiatrails.controls import audit
from fiatrails.controls.modes import Flow, check
from fiatrails.engine import dead_letters
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.errors import Conflict
from fiatrails.kernel.metrics import mint_intents
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import EntryDraft, post
from fiatrails.providers.core.models import Payment, PaymentState, ProviderRequest, RequestKind, RequestState
from fiatrails.providers.core.requests import open_refund
from fiatrails.purchases.deliveries import is_live
from fiatrails.purchases.intents import get_intent, release_daily_limit
from fiatrails.purchases.models import Intent
from fiatrails.purchases.payments.matching import money_key
from fiatrails.purchases.states import REFUNDABLE, Hold, State
from fiatrails.purchases.store import Step, hold, move, persist

POLL = timedelta(seconds=2)


def refund(*, intent_id: str, actor: str, reason: str, now: datetime, external_reference: str = "") -> Intent:
    """Starts the refund of an intent whose money is neither minted nor on its way to be.

    `external_reference`: the operator has paid the money back by other means; recorded as refunded at once.
    Raises Conflict when the state or a live nonce slot forbids it, Unprocessable when the provider cannot reverse it.
    """
    check(Flow.REFUND, now=now)
    get_intent(intent_id=intent_id)
    with transaction.atomic():
        intent = Intent.objects.select_for_update().get(intent_id=intent_id)
        if external_reference:
            steps = _record_external(intent, actor, reason, external_reference, now)
        else:
            steps = [begin(intent, actor=actor, reason=reason, now=now)]
        persist([intent], steps, now=now)
        details = {"reason": reason, "externalReference": external_reference}
        audit.record(actor=actor, action="intent.refund", subject=intent_id, details=details, now=now)
        notify()
    return intent


def begin(intent: Intent, *, actor: str, reason: str, now: datetime) -> Step:
    """Opens one reversal per payment of a locked intent and moves it to REFUNDING, in memory and rows."""
    _require_refundable(intent)
    _require_not_listed(intent)
    for event in _payments(intent):
        open_refund(event=event, reason=reason, now=now)
    move(intent, State.REFUNDING, now=now, due_at=now, reason=reason)
    return Step(intent.intent_id, intent.state, actor, reason)


def _require_not_listed(intent: Intent) -> None:
    """Returning money to a listed person is dealing with it. What was decided and done outside the rail can be recorded
    with an external reference."""
    if intent.hold == Hold.SANCTIONS:
        raise Conflict(
            "sanctions_hold",
            "the payer may be a listed person; `fiatrails screen release` when it is a namesake, or record with an"
            " external reference what was done with the money",
        )


def _require_refundable(intent: Intent) -> None:
    if State(intent.state) not in REFUNDABLE:
        raise Conflict(
            "not_refundable",
            f"an intent that is {intent.state} cannot be refunded; only paid or held ones can",
        )
    if is_live(intent):
        raise Conflict("mint_in_flight", "a transaction that may mint this intent is not settled yet; try again later")


def _payments(intent: Intent) -> list[Payment]:
    return list(
        Payment.objects.select_for_update()
        .filter(intent_id=intent.intent_id, state=PaymentState.APPLIED)
        .order_by("pk")
    )


def _record_external(intent: Intent, actor: str, reason: str, reference: str, now: datetime) -> list[Step]:
    stuck = intent.state == State.REFUNDING and not _requests(intent).exclude(state=RequestState.FAILED).exists()
    if not stuck:
        _require_refundable(intent)
        move(intent, State.REFUNDING, now=now, due_at=None, reason=reason)
    return [
        Step(intent.intent_id, State.REFUNDING, actor, reason),
        _settle(intent, now, f"{actor}: {reference}"),
    ]


def follow(intent: Intent, *, now: datetime) -> Step | None:
    """Looks at the reversals of a locked REFUNDING intent: all done, one refused, or still under way."""
    states = set(_requests(intent).values_list("state", flat=True))
    if states == {RequestState.SUCCEEDED}:
        return _settle(intent, now, "reversed by the provider")
    if RequestState.FAILED in states and states <= {RequestState.FAILED, RequestState.SUCCEEDED}:
        reason = "the provider refused the reversal; refund again, or pay it back and give the reference"
        hold(intent, Hold.REFUND_FAILED, now=now, reason=reason)
        dead_letters.add(
            operation="refundPayment", subject=intent.intent_id, attempts=1, last_error=reason,
            error_class="permanent", payload={"txRef": intent.tx_ref}, now=now,
        )  # fmt: skip
        return Step(intent.intent_id, intent.state, "provider", reason)
    intent.due_at = now + POLL
    return None


def went_back(intent: Intent) -> bool:
    """True when the provider has sent some of the intent's money back: it can no longer be minted."""
    return _requests(intent).filter(state=RequestState.SUCCEEDED).exists()


def _requests(intent: Intent) -> models.QuerySet[ProviderRequest]:
    latest = ProviderRequest.objects.filter(intent_id=intent.intent_id, kind=RequestKind.REFUND)
    return ProviderRequest.objects.filter(
        pk__in=latest.order_by("payment_id", "-id").distinct("payment_id").values("pk")
    )


def _settle(intent: Intent, now: datetime, detail: str) -> Step:
    """Refunded: the state, the payments and the ledger, together."""
    events = _payments(intent)
    post(
        [
            entries.refund_settled(
                provider=event.provider,
                refund_id=money_key(event.receipt, event.event_key),
                intent_id=intent.intent_id,
                money=Money(event.currency, event.amount_minor),
            )
            for event in events
        ]
        + _undo_adjustment(intent, events),
        now=now,
    )
    Payment.objects.filter(pk__in=[event.pk for event in events]).update(state=PaymentState.REFUNDED)
    move(intent, State.REFUNDED, now=now, due_at=None, reason=detail)
    release_daily_limit([intent])
    velocity.release([intent.intent_id], now=now)
    transaction.on_commit(mint_intents.labels(status="refunded").inc)
    return Step(intent.intent_id, intent.state, "provider", detail)


def _undo_adjustment(intent: Intent, events: Sequence[Payment]) -> list[EntryDraft]:
    """What was paid goes back, so what an operator had settled when accepting another amount is settled no more."""
    paid = sum(event.amount_minor for event in events)
    difference = paid - intent.fiat_paid
    if difference == 0:
        return []
    intent.fiat_paid = paid
    build = entries.overpayment_to_suspense if difference > 0 else entries.shortfall_written_off
    made = build(intent_id=intent.intent_id, money=Money(intent.fiat_currency, abs(difference)))
    postings = tuple(replace(line, amount=-line.amount) for line in made.postings)
    return [replace(made, key=f"adjustment:undone:{intent.intent_id}", postings=postings)]
