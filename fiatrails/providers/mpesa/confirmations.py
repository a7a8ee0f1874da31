"""Native M-PESA events: stored as they come, credited only after the provider was asked.

An event that nobody signed proves nothing. A push's payment is confirmed by querying the push, a paybill payment by
a status query on its receipt. "Not paid" declines the event; no answer means asking again, and in the end a dead
letter: it is never credited on the claim alone and never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction

from fiatrails.controls.modes import Flow
from fiatrails.engine import queue
from fiatrails.engine.claim import still_mine
from fiatrails.engine.dead_letters import Work
from fiatrails.engine.queue import Queue
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.kernel.money import Money
from fiatrails.providers.core import alarms
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.inbox import Stored
from fiatrails.providers.core.models import (
    InboxConflict,
    Payment,
    PaymentState,
    ProviderRequest,
    RequestKind,
    RequestState,
)
from fiatrails.providers.core.purchases import Purchases
from fiatrails.providers.mpesa import callbacks, crediting, pushes, statuses
from fiatrails.providers.mpesa.answers import Answer, Refused, Unknown
from fiatrails.providers.mpesa.callbacks import C2bPayment, StkCallback
from fiatrails.providers.mpesa.codes import PushStatus, Standing, Transaction
from fiatrails.providers.mpesa.config import mpesa_config
from fiatrails.providers.mpesa.crediting import Counted
from fiatrails.providers.mpesa.gateway import PROVIDER
from fiatrails.providers.mpesa.tools import Tools

log = structlog.get_logger(__name__)


def record_stk(*, callback: StkCallback, reference: str, purchases: Purchases, now: datetime) -> Stored:
    """Store what a callback says of a push and have it asked about. `reference`: the callback's address, or empty."""
    with transaction.atomic():
        [answer] = purchases.record([callback.event], now=now)
        unpaid = callback.event.paid is None
        pushes.reported(checkout_id=callback.checkout_id, reference=reference, unpaid=unpaid, now=now)
    return answer


def record_c2b(*, payment: C2bPayment, purchases: Purchases, now: datetime) -> Stored:
    """Store a reported payment to the paybill, due for confirmation."""
    return purchases.record([payment.event], now=now)[0]


def validate_c2b(*, payment: C2bPayment, purchases: Purchases) -> str | None:
    """Return Daraja's code for refusing a payment about to be made; None accepts it. Changes nothing.

    A reference that nobody knows is accepted: its purchase may come later, and the money is matched then. Refused is
    what could only end as a refund: another amount than the purchase still lacks, or a purchase that takes no payment.
    """
    if payment.shortcode != mpesa_config().shortcode:
        return "C2B00015"
    event = payment.event
    push = _push_of(event)
    payable = purchases.find(push.details["txRef"] if push else event.tx_ref)
    if payable is None or event.paid is None:
        return None
    if payable.missing is None or payable.missing.currency != event.paid.currency:
        return "C2B00012"
    return None if event.paid == payable.missing else "C2B00013"


def confirm_due(*, tools: Tools, limit: int = 20) -> int:
    """Make one pass over the events to be confirmed; returns how many were claimed."""
    return queue.run(CONFIRMATIONS, tools, clock=tools.clock, limit=limit)


def _confirm(rows: Sequence[Payment], tools: Tools) -> None:
    for event in rows:
        try:
            _CHANNELS[event.channel](event, tools)
        except IntegrityError:
            # Another event of the same receipt was counted at this moment; the next look finds it.
            raise OutsideUnknown("receipt_busy", "the receipt was being counted through another event") from None


def _confirm_push(event: Payment, tools: Tools) -> None:
    push = _push_of(event)
    if push is None:
        # The acknowledgement of the push may not be stored yet; if it stays unknown, a person looks at it.
        raise OutsideUnknown("unknown_push", "the callback is about a push that is not ours")
    query = crediting.latest_query(event)
    if query is not None:
        _confirm_receipt(event, tools)
        return
    answer = _ask_push(push, tools)
    now = tools.clock.now()
    if answer.status is PushStatus.UNPAID:
        _decline(event, f"the provider says {answer.code}: {answer.description}")
    elif answer.status is not PushStatus.PAID:
        raise OutsideUnknown("push_pending", f"the provider says {answer.code}: {answer.description}")
    elif event.amount_minor != push.amount_minor:
        _count_without_callback(event, push, answer, now)
    else:
        _count_push(event, push, answer, tools.purchases, now)


def _ask_push(push: ProviderRequest, tools: Tools) -> Answer:
    if push.state == RequestState.SUCCEEDED:
        return Answer(PushStatus.PAID, "0", "confirmed before")
    answer = tools.client.stk_query(checkout_id=push.provider_id)
    if isinstance(answer, Refused):
        raise OutsideUnknown("push_query_refused", f"{answer.code}: {answer.message}")
    if isinstance(answer, Unknown):
        raise OutsideUnknown("push_query_unknown", answer.why)
    return answer


def _count_push(event: Payment, push: ProviderRequest, answer: Answer, purchases: Purchases, now: datetime) -> None:
    with transaction.atomic():
        payable = purchases.lock(push.details["txRef"])
        push = ProviderRequest.objects.get(pk=push.pk)
        mine, rows = crediting.lock_events(event, push)
        push = ProviderRequest.objects.select_for_update().get(pk=push.pk)
        pushes.settle_paid(push, answer, now=now)
        money = Money(push.currency, push.amount_minor)
        crediting.count(
            mine, rows, payable=payable, push=push, money=money, verified=False, purchases=purchases, now=now
        )
        notify()


def _count_without_callback(event: Payment, push: ProviderRequest, answer: Answer, now: datetime) -> None:
    """Count the payment as the provider reports it: the push was paid, but not as this callback says."""
    with transaction.atomic():
        mine, _ = crediting.lock_events(event, None)
        locked = ProviderRequest.objects.select_for_update().get(pk=push.pk)
        pushes.settle_paid(locked, answer, now=now)
        pushes.record_found_payment(locked, now=now)
        _set_declined(mine, "the amount is not what was asked of the payer")
        alarms.alarm(mine, "callbackConflict", mine.last_error, now=now)
        notify()


def _confirm_receipt(event: Payment, tools: Tools) -> None:
    """Follows the status query on the event's receipt; opens it when there is none."""
    query = crediting.latest_query(event)
    now = tools.clock.now()
    if query is not None and not statuses.is_open(query):
        found = statuses.read(query)
        if found.standing is not Standing.UNCLEAR:
            _apply_receipt(event, found, tools.purchases, now)
            return
        if not crediting.is_used_up(query, event):
            raise OutsideUnknown("payment_unclear", found.why)
    with transaction.atomic():
        for mine in still_mine(Payment, [event]):
            if query is not None and statuses.is_open(query):
                mine.due_at, mine.lease_until = now + timedelta(seconds=3), None
                mine.save(update_fields=["due_at", "lease_until"])
            else:
                crediting.ask_about(mine, now)
        notify()


def _apply_receipt(event: Payment, found: Transaction, purchases: Purchases, now: datetime) -> None:
    if found.paid is None:
        _decline(event, found.why)
        return
    push = _push_of(event)
    why_disputed = _dispute(event, found.paid)
    if why_disputed:
        push = None
    with transaction.atomic():
        tx_ref = push.details["txRef"] if push else event.tx_ref
        payable = None if why_disputed else purchases.lock(tx_ref)
        if push is not None:
            push = ProviderRequest.objects.get(pk=push.pk)
        mine, rows = crediting.lock_events(event, push)
        if why_disputed:
            # Nobody's until a person has looked: no intent may take it by its reference.
            mine.tx_ref = mine.payer_name = ""
        counted = crediting.count(
            mine, rows, payable=payable, push=push, money=found.paid, verified=True, purchases=purchases, now=now
        )
        if why_disputed and counted is Counted.COUNTED:
            alarms.alarm(mine, "disputedPayment", why_disputed, now=now)
        notify()
    if counted is Counted.UNCLEAR:
        raise OutsideUnknown(
            "payment_unclear", "the provider does not say whether another receipt of this push is real"
        )


def _dispute(event: Payment, paid: Money) -> str:
    """Why the claims of a payment that is real are not to be believed; empty when they are."""
    if InboxConflict.objects.filter(provider=event.provider, event_key=event.event_key).exists():
        return "this payment was reported twice, with different contents; find out whose it is, or return it"
    if (paid.currency, paid.minor) != (event.currency, event.amount_minor):
        return f"reported as {Money(event.currency, event.amount_minor)}, but the provider says {paid}"
    return ""


def _push_of(event: Payment | PaymentEvent) -> ProviderRequest | None:
    """Return the push that an event belongs to: by its CheckoutRequestID, or by the account reference that we gave
    it."""
    asked = ProviderRequest.objects.filter(kind=RequestKind.CHARGE)
    if event.channel in (callbacks.STK, callbacks.STK_POLL):
        return asked.filter(provider_id=callbacks.checkout_of(event.event_key)).first()
    # Payers type a reference in either case.
    return asked.filter(account_reference=event.tx_ref.upper()).first() if event.tx_ref else None


def _decline(event: Payment, why: str) -> None:
    with transaction.atomic():
        for mine in still_mine(Payment, [event]):
            _set_declined(mine, why)
    log.warning("event.declined", inbox_id=event.pk, channel=event.channel, why=why)


def _set_declined(mine: Payment, why: str) -> None:
    mine.state, mine.due_at, mine.lease_until, mine.last_error = PaymentState.DECLINED, None, None, why
    mine.save(update_fields=["state", "due_at", "lease_until", "last_error"])


def retry_event(*, event_id: int, now: datetime) -> None:
    """Make an event due for confirmation once more (replay of its dead letter)."""
    with transaction.atomic():
        waiting = Payment.objects.filter(pk=event_id, state=PaymentState.RECEIVED)
        if waiting.update(due_at=now, attempts=0, lease_until=None):
            crediting.use_up_queries(event_id)
            notify()


_CHANNELS: dict[str, Callable[[Payment, Tools], None]] = {
    callbacks.STK: _confirm_push,
    callbacks.STK_POLL: _confirm_push,
    callbacks.C2B: _confirm_receipt,
}
CONFIRMATIONS: Queue[Payment, Tools] = Queue(
    name="mpesa.confirmations",
    model=Payment,
    condition="AND provider = 'mpesa' AND state = 'received'",
    step=_confirm,
    work=lambda row: Work("confirmPayment", alarms.subject_of(row.pk), {"eventKey": row.event_key, "inboxId": row.pk}),
    metric="provider_call",
    flow=Flow.CONFIRM_PAYMENT,
    scope=lambda: PROVIDER,
    limit=20,
    one_by_one=True,
)
