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
from fiatrails.purchases import daily_limit, letters
from fiatrails.purchases.deliveries import is_live
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments.matching import money_key
from fiatrails.purchases.queries import get_purchase
from fiatrails.purchases.states import REFUNDABLE, Hold, State
from fiatrails.purchases.store import Step, hold, move, persist

POLL = timedelta(seconds=2)
WENT_BACK = "the provider has sent the money back after all"


def refund(*, intent_id: str, actor: str, reason: str, now: datetime, external_reference: str = "") -> Purchase:
    """Start the refund of a purchase whose money is neither minted nor on its way to be.

    `external_reference`: the operator has paid the money back by other means; recorded as refunded at once.
    Raises Conflict when the state or a live nonce slot forbids it, Unprocessable when the provider cannot reverse it.
    """
    check(Flow.REFUND, now=now)
    get_purchase(intent_id=intent_id)
    with transaction.atomic():
        purchase = Purchase.objects.select_for_update().get(intent_id=intent_id)
        if external_reference:
            steps = _record_external(purchase, actor, reason, external_reference, now)
        else:
            steps = [begin(purchase, actor=actor, reason=reason, now=now)]
        persist([purchase], steps, now=now)
        details = {"reason": reason, "externalReference": external_reference}
        audit.record(actor=actor, action="intent.refund", subject=intent_id, details=details, now=now)
        notify()
    return purchase


def begin(purchase: Purchase, *, actor: str, reason: str, now: datetime) -> Step:
    """Open one reversal per payment of a locked purchase and move it to REFUNDING, in memory and rows."""
    _require_refundable(purchase)
    _require_not_listed(purchase)
    payments = _payments(purchase)
    if not payments:
        raise Conflict(
            "nothing_paid", "no payment of this intent is in the books; end it with an external reference that says why"
        )
    for event in payments:
        open_refund(event=event, reason=reason, now=now)
    move(purchase, State.REFUNDING, now=now, due_at=now, reason=reason)
    return Step(purchase.intent_id, purchase.state, actor, reason)


def _require_not_listed(purchase: Purchase) -> None:
    """Refuse while the payer may be listed: returning money to a listed person is dealing with it.

    What was decided and done outside the rail can be recorded with an external reference.
    """
    if purchase.hold == Hold.SANCTIONS:
        raise Conflict(
            "sanctions_hold",
            "the payer may be a listed person; `fiatrails screen release` when it is a namesake, or record with an"
            " external reference what was done with the money",
        )


def _require_refundable(purchase: Purchase) -> None:
    if State(purchase.state) not in REFUNDABLE:
        raise Conflict(
            "not_refundable",
            f"an intent that is {purchase.state} cannot be refunded; only paid or held ones can",
        )
    if is_live(purchase):
        raise Conflict("mint_in_flight", "a transaction that may mint this intent is not settled yet; try again later")


def _payments(purchase: Purchase) -> list[Payment]:
    return list(
        Payment.objects.select_for_update()
        .filter(intent_id=purchase.intent_id, state=PaymentState.APPLIED)
        .order_by("pk")
    )


def _record_external(purchase: Purchase, actor: str, reason: str, reference: str, now: datetime) -> list[Step]:
    if all_went_back(purchase):
        raise Conflict("already_returned", "the provider has sent the money back; the intent is settled by itself")
    stuck = purchase.state == State.REFUNDING and not _requests(purchase).exclude(state=RequestState.FAILED).exists()
    if not stuck:
        _require_refundable(purchase)
        move(purchase, State.REFUNDING, now=now, due_at=None, reason=reason)
    return [
        Step(purchase.intent_id, State.REFUNDING, actor, reason),
        _settle(purchase, now, f"{actor}: {reference}"),
    ]


def _words(purchase: Purchase) -> str:
    """Return what the provider said of the last reversal that it refused, in parentheses; "" when it gave no reason."""
    refused = _requests(purchase).filter(state=RequestState.FAILED).order_by("-settled_at", "-pk").first()
    said = refused.result if refused else {}
    words = " ".join(str(said[part]) for part in ("code", "description") if said.get(part))
    return f" ({words[:200]})" if words else ""


def follow(purchase: Purchase, *, now: datetime) -> Step | None:
    """Follow the reversals of a locked REFUNDING purchase: all done, one refused, or still under way."""
    states = set(_requests(purchase).values_list("state", flat=True))
    if states == {RequestState.SUCCEEDED}:
        return _settle(purchase, now, "reversed by the provider")
    if RequestState.FAILED in states and states <= {RequestState.FAILED, RequestState.SUCCEEDED}:
        reason = (
            f"the provider refused the reversal{_words(purchase)}; refund again, or pay it back and give the reference"
        )
        hold(purchase, Hold.REFUND_FAILED, now=now, reason=reason)
        dead_letters.add(
            operation="refundPayment",
            subject=purchase.intent_id,
            attempts=1,
            last_error=reason,
            error_class="permanent",
            payload=letters.payload(purchase),
            now=now,
        )
        return Step(purchase.intent_id, purchase.state, "provider", reason)
    purchase.due_at = now + POLL
    return None


def went_back(purchase: Purchase) -> bool:
    """Return whether the provider has sent some of the purchase's money back: it can no longer be minted."""
    return bool(with_returned_money([purchase.intent_id]))


def with_returned_money(intent_ids: Sequence[str]) -> set[str]:
    """Return those of the purchases of which the provider has sent some money back."""
    returned = ProviderRequest.objects.filter(
        kind=RequestKind.REFUND, state=RequestState.SUCCEEDED, intent_id__in=intent_ids
    )
    return {str(intent_id) for intent_id in returned.values_list("intent_id", flat=True)}


def all_went_back(purchase: Purchase) -> bool:
    """Return whether the provider has sent all of the purchase's payments back."""
    states = dict(_requests(purchase).values_list("payment_id", "state"))
    return bool(states) and all(states.get(event.pk) == RequestState.SUCCEEDED for event in _payments(purchase))


def settle_returned(purchase: Purchase, *, now: datetime, detail: str) -> list[Step]:
    """Record that the money of a locked purchase, held or paid, went back although nobody waited for it."""
    move(purchase, State.REFUNDING, now=now, due_at=None, reason=detail)
    return [Step(purchase.intent_id, State.REFUNDING, "provider", detail), _settle(purchase, now, detail)]


def _requests(purchase: Purchase) -> models.QuerySet[ProviderRequest]:
    latest = ProviderRequest.objects.filter(intent_id=purchase.intent_id, kind=RequestKind.REFUND)
    return ProviderRequest.objects.filter(
        pk__in=latest.order_by("payment_id", "-id").distinct("payment_id").values("pk")
    )


def _settle(purchase: Purchase, now: datetime, detail: str) -> Step:
    """Record the refund in the state, the payments and the ledger, together."""
    events = _payments(purchase)
    post(
        [
            entries.refund_settled(
                provider=event.provider,
                refund_id=money_key(event.receipt, event.event_key),
                intent_id=purchase.intent_id,
                money=Money(event.currency, event.amount_minor),
            )
            for event in events
        ]
        + _undo_adjustment(purchase, events),
        now=now,
    )
    Payment.objects.filter(pk__in=[event.pk for event in events]).update(state=PaymentState.REFUNDED)
    _requests(purchase).filter(state=RequestState.SUCCEEDED).update(noted_at=now)
    dead_letters.close_alarm(
        "refundPayment", purchase.intent_id, reason="the money went back", actor="provider", now=now
    )
    move(purchase, State.REFUNDED, now=now, due_at=None, reason=detail)
    daily_limit.give_back([purchase])
    velocity.release([purchase.intent_id], now=now)
    transaction.on_commit(mint_intents.labels(status="refunded").inc)
    return Step(purchase.intent_id, purchase.state, "provider", detail)


def _undo_adjustment(purchase: Purchase, events: Sequence[Payment]) -> list[EntryDraft]:
    """Undo what an operator had settled when accepting another amount: what was paid goes back."""
    paid = sum(event.amount_minor for event in events)
    difference = paid - purchase.fiat_paid
    if difference == 0:
        return []
    purchase.fiat_paid = paid
    build = entries.overpayment_to_suspense if difference > 0 else entries.shortfall_written_off
    made = build(intent_id=purchase.intent_id, money=Money(purchase.fiat_currency, abs(difference)))
    postings = tuple(replace(line, amount=-line.amount) for line in made.postings)
    return [replace(made, key=f"adjustment:undone:{purchase.intent_id}", postings=postings)]
