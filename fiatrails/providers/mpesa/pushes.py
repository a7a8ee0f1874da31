"""What became of an STK push: told by its callback, asked by us, or never known.

A push that ran out is taken as unpaid but stays findable by its ids: a late payment is still counted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from fiatrails.engine.wakeup import notify
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.kernel.money import Money
from fiatrails.providers.core import inbox
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.inbox import Arrival
from fiatrails.providers.core.models import PaymentState, ProviderRequest, RequestKind, RequestState
from fiatrails.providers.core.requests import finish, update
from fiatrails.providers.mpesa import callbacks
from fiatrails.providers.mpesa.answers import Answer, Refused, Unknown
from fiatrails.providers.mpesa.codes import PushStatus
from fiatrails.providers.mpesa.daraja import Daraja

# The prompt on the phone lives for a minute or two.
PUSH_LIFETIME = timedelta(minutes=3)
# "Still being processed", said for this long, is a push that nobody will pay.
PENDING_LIFETIME = timedelta(minutes=15)
POLL = timedelta(seconds=10)
RAN_OUT = "ran_out"


def ask(row: ProviderRequest, *, clock: Clock, client: Daraja) -> None:
    """Ask once about a claimed push that was sent."""
    if not row.provider_id:
        _without_id(row, clock.now())
        return
    answer = client.stk_query(checkout_id=row.provider_id)
    now = clock.now()
    if isinstance(answer, Refused | Unknown):
        raise OutsideUnknown("push_query_unknown", answer.message if isinstance(answer, Refused) else answer.why)
    if answer.status is PushStatus.PAID:
        _paid(row, answer, now)
    elif answer.status is PushStatus.UNPAID:
        finish(row, RequestState.FAILED, outcome(answer), now=now)
    elif now >= (row.sent_at or row.created_at) + PENDING_LIFETIME:
        finish(row, RequestState.FAILED, {**outcome(answer), "code": RAN_OUT}, now=now)
    else:
        update(row, due_at=now + POLL, lease_until=None, last_error=answer.description)


def outcome(answer: Answer) -> dict[str, object]:
    """Return the outcome as it is stored with the request."""
    return {"code": answer.code, "description": answer.description}


def _without_id(row: ProviderRequest, now: datetime) -> None:
    """Settle or wait for a push whose reply was lost, and with it the only id to ask by."""
    if row.payment_id is not None:
        finish(row, RequestState.SUCCEEDED, {"code": "0", "description": "the paybill reported it"}, now=now)
        return
    runs_out = (row.sent_at or row.created_at) + PUSH_LIFETIME
    if now < runs_out:
        update(row, due_at=runs_out, lease_until=None)
        return
    result = {"code": RAN_OUT, "description": "the reply to the push was lost and no callback came"}
    finish(row, RequestState.FAILED, result, now=now)


def _paid(row: ProviderRequest, answer: Answer, now: datetime) -> None:
    with transaction.atomic():
        # A payment that was counted through the paybill's report is not news.
        if finish(row, RequestState.SUCCEEDED, outcome(answer), now=now) and row.payment_id is None:
            record_found_payment(row, now=now)


def record_found_payment(push: ProviderRequest, *, now: datetime) -> None:
    """Store the payment that a query found, as an event without a receipt. Should the callback with the receipt come as
    well (or have come), the two are brought together when they are confirmed."""
    event = PaymentEvent(
        provider=push.provider,
        channel=callbacks.STK_POLL,
        event_key=callbacks.poll_key(push.provider_id),
        receipt=None,
        tx_ref=push.details["txRef"],
        paid=Money(push.currency, push.amount_minor),
        phone=push.details["phone"],
        occurred_at=None,
        raw=b"{}",
        trusted=False,
    )
    inbox.record([Arrival(event, PaymentState.RECEIVED, None, credits=False, due_at=now)], now=now)


def reported(*, checkout_id: str, reference: str, unpaid: bool, now: datetime) -> None:
    """Note that a callback reported a push. Nothing in it is believed; that the push ended `unpaid` is a reason to ask
    now (a payment is asked about when its event is confirmed).

    The reference in the callback's address was known to nobody but us and the provider: it gives a push whose reply
    was lost its id back.
    """
    sent = (RequestState.UNKNOWN, RequestState.ACCEPTED)
    pushes = ProviderRequest.objects.filter(kind=RequestKind.CHARGE)
    if reference and not pushes.filter(provider_id=checkout_id).exists():
        nameless = pushes.filter(reference=reference, provider_id="").exclude(state=RequestState.CREATED)
        nameless.update(provider_id=checkout_id)
    if unpaid and pushes.filter(provider_id=checkout_id, state__in=sent).update(due_at=now):
        notify()


def settle_paid(push: ProviderRequest, answer: Answer, *, now: datetime) -> None:
    """Mark a locked push as paid because the provider says so now, whatever was thought of it before."""
    if push.state == RequestState.SUCCEEDED:
        return
    ProviderRequest.objects.filter(pk=push.pk).update(
        state=RequestState.SUCCEEDED,
        result=outcome(answer),
        due_at=None,
        lease_until=None,
        settled_at=now,
        noted_at=None,
        fence=F("fence") + 1,
    )
    push.state = RequestState.SUCCEEDED
