"""Native M-PESA events: stored as they come, credited only after the provider was asked.

An event that nobody signed proves nothing. A push's payment is confirmed by querying the push, a paybill payment by
a status query on its receipt. "Not paid" declines the event; no answer means asking again, and in the end a dead
letter: it is never credited on the claim alone and never lost.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction

from fiatrails.engine import dead_letters
from fiatrails.engine.claim import claim, still_mine
from fiatrails.engine.wakeup import notify
from fiatrails.kernel import metrics
from fiatrails.kernel.backoff import delay
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import config, profile
from fiatrails.kernel.errors import FiatRailsError, OutsideUnknown, StaleFence
from fiatrails.kernel.money import Money
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.inbox import Receipted
from fiatrails.providers.core.models import (
    EventState,
    InboxConflict,
    InboxEvent,
    ProviderRequest,
    RequestKind,
    RequestState,
)
from fiatrails.providers.mpesa import callbacks, pushes, statuses
from fiatrails.providers.mpesa.answers import Answer, Refused, Unknown
from fiatrails.providers.mpesa.callbacks import C2bPayment, StkCallback
from fiatrails.providers.mpesa.codes import PushStatus, Standing, Transaction
from fiatrails.providers.mpesa.daraja import Daraja
from fiatrails.purchases.models import Intent
from fiatrails.purchases.payments import crediting, matching
from fiatrails.purchases.payments import record as payments
from fiatrails.purchases.payments.crediting import Booked

log = structlog.get_logger(__name__)


def record_stk(*, callback: StkCallback, reference: str, now: datetime) -> Receipted:
    """Stores what a callback says of a push and has it asked about. `reference`: the callback's address, or empty."""
    with transaction.atomic():
        [answer] = payments.record_payments([callback.event], now=now)
        unpaid = callback.event.paid is None
        pushes.reported(checkout_id=callback.checkout_id, reference=reference, unpaid=unpaid, now=now)
    return answer


def record_c2b(*, payment: C2bPayment, now: datetime) -> Receipted:
    """Stores a reported payment to the paybill, due for confirmation."""
    return payments.record_payments([payment.event], now=now)[0]


def validate_c2b(*, payment: C2bPayment) -> str | None:
    """Daraja's code for refusing a payment about to be made; None accepts it. Changes nothing.

    A reference that nobody knows is accepted: its intent may come later, and the money is matched then. Refused is
    what could only end as a refund: another amount than the intent still lacks, or an intent that takes no payment.
    """
    if payment.shortcode != config().mpesa.shortcode:
        return "C2B00015"
    event = payment.event
    push = _push_of(event)
    intent = Intent.objects.filter(tx_ref=push.details["txRef"] if push else event.tx_ref).first()
    if intent is None or event.paid is None:
        return None
    if intent.state not in ("awaiting_payment", "held") or not matching.takes(intent, event.paid):
        return "C2B00012"
    return None if event.paid.minor == intent.fiat_expected - intent.fiat_paid else "C2B00013"


def confirm_due(*, clock: Clock, client: Daraja, limit: int = 20) -> int:
    """One pass over the events to be confirmed; returns how many were claimed."""
    lease = timedelta(seconds=profile().timeouts.lease_s)
    rows = claim(
        InboxEvent, now=clock.now(), lease=lease, limit=limit, where="AND provider = 'mpesa' AND state = 'received'"
    )
    for row in rows:
        _confirm(row, clock, client)
    return len(rows)


def _confirm(event: InboxEvent, clock: Clock, client: Daraja) -> None:
    try:
        _CHANNELS[event.channel](event, clock, client)
    except StaleFence as error:
        log.warning("event.taken_over", inbox_id=event.pk, error=str(error))
    except IntegrityError:
        # Another event of the same receipt was counted at this moment; the next look finds it.
        _retry_later(event, "the receipt was being counted through another event", clock.now())
    except FiatRailsError as error:
        _retry_later(event, error.message, clock.now())


def _confirm_push(event: InboxEvent, clock: Clock, client: Daraja) -> None:
    push = _push_of(event)
    if push is None:
        # The acknowledgement of the push may not be stored yet; if it stays unknown, a person looks at it.
        raise OutsideUnknown("unknown_push", "the callback is about a push that is not ours")
    query = crediting.latest_query(event)
    if query is not None:
        _confirm_receipt(event, clock, client)
        return
    answer = _ask_push(push, client)
    now = clock.now()
    if answer.status is PushStatus.UNPAID:
        _decline(event, f"the provider says {answer.code}: {answer.description}")
    elif answer.status is not PushStatus.PAID:
        raise OutsideUnknown("push_pending", f"the provider says {answer.code}: {answer.description}")
    elif event.amount_minor != push.amount_minor:
        _count_without_callback(event, push, answer, now)
    else:
        _count_push(event, push, answer, now)


def _ask_push(push: ProviderRequest, client: Daraja) -> Answer:
    if push.state == RequestState.SUCCEEDED:
        return Answer(PushStatus.PAID, "0", "confirmed before")
    answer = client.stk_query(checkout_id=push.provider_id)
    if isinstance(answer, Refused):
        raise OutsideUnknown("push_query_refused", f"{answer.code}: {answer.message}")
    if isinstance(answer, Unknown):
        raise OutsideUnknown("push_query_unknown", answer.why)
    return answer


def _count_push(event: InboxEvent, push: ProviderRequest, answer: Answer, now: datetime) -> None:
    with transaction.atomic():
        intent = crediting.lock_intent(push.details["txRef"])
        push = ProviderRequest.objects.get(pk=push.pk)
        mine, rows = crediting.lock_events(event, push)
        push = ProviderRequest.objects.select_for_update().get(pk=push.pk)
        pushes.settle_paid(push, answer, now=now)
        money = Money(push.currency, push.amount_minor)
        crediting.count(mine, rows, intent=intent, push=push, money=money, verified=False, now=now)
        notify()


def _count_without_callback(event: InboxEvent, push: ProviderRequest, answer: Answer, now: datetime) -> None:
    """The push was paid, but not as this callback says: the payment is counted as the provider tells it."""
    with transaction.atomic():
        mine, _ = crediting.lock_events(event, None)
        locked = ProviderRequest.objects.select_for_update().get(pk=push.pk)
        pushes.settle_paid(locked, answer, now=now)
        pushes.record_found_payment(locked, now=now)
        _set_declined(mine, "the amount is not what was asked of the payer")
        crediting.alarm(mine, "callbackConflict", mine.last_error, now=now)
        notify()


def _confirm_receipt(event: InboxEvent, clock: Clock, _client: Daraja) -> None:
    """Follows the status query on the event's receipt; opens it when there is none."""
    query = crediting.latest_query(event)
    now = clock.now()
    if query is not None and not statuses.is_open(query):
        found = statuses.read(query)
        if found.standing is not Standing.UNCLEAR:
            _apply_receipt(event, found, now)
            return
        if not crediting.is_worn(query, event):
            raise OutsideUnknown("payment_unclear", found.why)
    with transaction.atomic():
        for mine in still_mine(InboxEvent, [event]):
            if query is not None and statuses.is_open(query):
                mine.due_at, mine.lease_until = now + timedelta(seconds=3), None
                mine.save(update_fields=["due_at", "lease_until"])
            else:
                crediting.ask_about(mine, now)
        notify()


def _apply_receipt(event: InboxEvent, found: Transaction, now: datetime) -> None:
    if found.paid is None:
        _decline(event, found.why)
        return
    push = _push_of(event)
    why_disputed = _dispute(event, found.paid)
    if why_disputed:
        push = None
    with transaction.atomic():
        tx_ref = push.details["txRef"] if push else event.tx_ref
        intent = None if why_disputed else crediting.lock_intent(tx_ref)
        if push is not None:
            push = ProviderRequest.objects.get(pk=push.pk)
        mine, rows = crediting.lock_events(event, push)
        if why_disputed:
            # Nobody's until a person has looked: no intent may take it by its reference.
            mine.tx_ref = mine.payer_name = ""
        booked = crediting.count(mine, rows, intent=intent, push=push, money=found.paid, verified=True, now=now)
        if why_disputed and booked is Booked.BOOKED:
            crediting.alarm(mine, "disputedPayment", why_disputed, now=now)
        notify()
    if booked is Booked.UNCLEAR:
        raise OutsideUnknown(
            "payment_unclear", "the provider does not say whether another receipt of this push is real"
        )


def _dispute(event: InboxEvent, paid: Money) -> str:
    """Why the claims of a payment that is real are not to be believed; empty when they are."""
    if InboxConflict.objects.filter(provider=event.provider, event_key=event.event_key).exists():
        return "this payment was reported twice, with different contents; find out whose it is, or return it"
    if (paid.currency, paid.minor) != (event.currency, event.amount_minor):
        return f"reported as {Money(event.currency, event.amount_minor)}, but the provider says {paid}"
    return ""


def _push_of(event: InboxEvent | PaymentEvent) -> ProviderRequest | None:
    """The push that an event belongs to: by its CheckoutRequestID, or by the account reference that we gave it."""
    asked = ProviderRequest.objects.filter(kind=RequestKind.STK_PUSH)
    if event.channel in (callbacks.STK, callbacks.STK_POLL):
        return asked.filter(provider_id=callbacks.checkout_of(event.event_key)).first()
    # Payers type a reference in either case.
    return asked.filter(account_reference=event.tx_ref.upper()).first() if event.tx_ref else None


def _decline(event: InboxEvent, why: str) -> None:
    with transaction.atomic():
        for mine in still_mine(InboxEvent, [event]):
            _set_declined(mine, why)
    log.warning("event.declined", inbox_id=event.pk, channel=event.channel, why=why)


def _set_declined(mine: InboxEvent, why: str) -> None:
    mine.state, mine.due_at, mine.lease_until, mine.last_error = EventState.DECLINED, None, None, why
    mine.save(update_fields=["state", "due_at", "lease_until", "last_error"])


def _retry_later(event: InboxEvent, why: str, now: datetime) -> None:
    metrics.retry_attempts.labels("provider_call").inc()
    with transaction.atomic():
        for mine in still_mine(InboxEvent, [event]):
            mine.attempts += 1
            exhausted = mine.attempts >= profile().retry.max_attempts
            mine.due_at = None if exhausted else now + delay(mine.attempts, profile().retry)
            mine.lease_until, mine.last_error = None, why
            mine.save(update_fields=["attempts", "due_at", "lease_until", "last_error"])
            if exhausted:
                dead_letters.add(
                    operation="confirmPayment", subject=f"event:{mine.pk}", attempts=mine.attempts, last_error=why,
                    error_class="temporary", payload={"eventKey": mine.event_key, "inboxId": mine.pk}, now=now,
                )  # fmt: skip


def retry_event(*, event_id: int, now: datetime) -> None:
    """Has an event confirmed anew (replay of its dead letter)."""
    with transaction.atomic():
        waiting = InboxEvent.objects.filter(pk=event_id, state=EventState.RECEIVED)
        if waiting.update(due_at=now, attempts=0, lease_until=None):
            crediting.wear_out_queries(event_id)
            notify()


def alarm_unmatched(*, now: datetime, limit: int = 100) -> int:
    """Raises one dead letter for each payment that waited too long for its intent; it stays matchable."""
    lease = timedelta(seconds=profile().timeouts.lease_s)
    rows = claim(InboxEvent, now=now, lease=lease, limit=limit, where="AND state = 'unmatched'")
    for row in rows:
        with transaction.atomic():
            intent = crediting.lock_intent(row.tx_ref)
            for mine in still_mine(InboxEvent, [row]):
                if mine.state == EventState.UNMATCHED:
                    _match_or_alarm(mine, intent, now)
    return len(rows)


def _match_or_alarm(mine: InboxEvent, intent: Intent | None, now: datetime) -> None:
    if intent is not None:
        matching.settle_waiting(mine, intent, now=now)
        notify()
        return
    mine.due_at = mine.lease_until = None
    mine.save(update_fields=["due_at", "lease_until"])
    crediting.alarm(
        mine, "unmatchedPayment", "no intent has claimed this payment; find its owner, or return it", now=now
    )


_CHANNELS: dict[str, Callable[[InboxEvent, Clock, Daraja], None]] = {
    callbacks.STK: _confirm_push,
    callbacks.STK_POLL: _confirm_push,
    callbacks.C2B: _confirm_receipt,
}
