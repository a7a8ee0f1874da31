"""Counting a confirmed native payment, once, whatever reported it.

One M-PESA payment can be reported three ways: by the callback of the push (with the receipt), by a query of ours
(without one) and by the paybill's C2B report (with the receipt, and the push's account reference). A push counts
through one event (`push.event`), a receipt through one event (`credits`), and the two are joined when the second
report names what the first could not. Everybody who counts a push holds its intent's lock first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Q, QuerySet

from fiatrails.engine import dead_letters
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import StaleFence
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import post
from fiatrails.providers.core.models import EventState, InboxEvent, ProviderRequest, RequestKind, RequestState
from fiatrails.providers.mpesa import callbacks, statuses
from fiatrails.providers.mpesa.codes import Standing
from fiatrails.providers.mpesa.pushes import RAN_OUT
from fiatrails.purchases.models import Intent
from fiatrails.purchases.payments import matching, payer_names
from fiatrails.purchases.store import persist


class Booked(StrEnum):
    """BOOKED: counted. DUPLICATE: counted before. ASKED: another receipt has to be looked at first."""

    BOOKED = "booked"
    DUPLICATE = "duplicate"
    ASKED = "asked"
    UNCLEAR = "unclear"


def lock_intent(tx_ref: str) -> Intent | None:
    """The intent of a txRef, locked; when there is none, the txRef is locked by name and looked up once more."""
    if not tx_ref:
        return None
    intents = Intent.objects.select_for_update().filter(tx_ref=tx_ref)
    found = intents.first()
    if found is None:
        matching.lock_tx_refs([tx_ref])
        found = intents.first()
    return found


def lock_events(event: InboxEvent, push: ProviderRequest | None) -> tuple[InboxEvent, Mapping[int, InboxEvent]]:
    """The claimed event and those that may stand for the same payment, locked in id order; StaleFence when the event
    was taken over or settled meanwhile."""
    wanted = Q(pk=event.pk)
    if event.receipt:
        wanted |= Q(provider=event.provider, receipt=event.receipt, credits=True)
    if push is not None and push.event_id is not None:
        wanted |= Q(pk=push.event_id)
    rows = {row.pk: row for row in InboxEvent.objects.select_for_update().filter(wanted).order_by("pk")}
    mine = rows[event.pk]
    if mine.fence != event.fence or mine.state != EventState.RECEIVED:
        raise StaleFence(f"inbox event {event.pk}")
    return mine, rows


def count(
    mine: InboxEvent, rows: Mapping[int, InboxEvent], *, intent: Intent | None, push: ProviderRequest | None,
    money: Money, verified: bool, now: datetime,
) -> Booked:  # fmt: skip
    """Counts the locked event, or joins it to the event that was counted for the same payment.

    `verified`: the provider was asked about this very receipt. A receipt that only a callback names is believed for
    the push it belongs to, and only as long as nothing contradicts it.
    """
    holder = next((row for row in rows.values() if row.credits and mine.receipt and row.receipt == mine.receipt), None)
    counted = rows.get(push.event_id) if push is not None and push.event_id is not None else None
    if holder is not None:
        _link(push, holder, money)
        return _duplicate(mine, holder, now)
    if counted is not None and _same_payment(mine, counted, money):
        _name_receipt(counted, mine.receipt)
        return _duplicate(mine, counted, now)
    if counted is not None and not verified:
        return _ask(mine, mine, now)
    if counted is not None and counted.channel in (callbacks.STK, callbacks.STK_POLL):
        return _after_checking(mine, counted, intent, money, now)
    _book(mine, intent, money, now)
    _link(push, mine, money)
    return Booked.BOOKED


def _same_payment(mine: InboxEvent, counted: InboxEvent, money: Money) -> bool:
    """Without two receipts to compare, reports of one push in one amount are one payment."""
    return (mine.receipt is None or counted.receipt is None) and counted.amount_minor == money.minor


def _name_receipt(counted: InboxEvent, receipt: str | None) -> None:
    if receipt is not None:
        InboxEvent.objects.filter(pk=counted.pk).update(receipt=receipt)


def _after_checking(
    mine: InboxEvent, counted: InboxEvent, intent: Intent | None, money: Money, now: datetime
) -> Booked:
    """Two receipts for one push, ours confirmed by the provider: is the one that the callback named a real payment?
    If so there were two payments; if not the callback was forged and ours is the push's payment."""
    query = latest_query(counted)
    if query is None:
        return _ask(mine, counted, now)
    if statuses.is_open(query):
        return _wait(mine, now)
    standing = statuses.read(query).standing
    if standing is Standing.UNCLEAR:
        return _ask(mine, counted, now) if is_worn(query, mine) else Booked.UNCLEAR
    if standing is Standing.NOT_PAID:
        _name_receipt(counted, mine.receipt)
        return _duplicate(mine, counted, now)
    _book(mine, intent, money, now)
    return Booked.BOOKED


def latest_query(event: InboxEvent) -> ProviderRequest | None:
    """The last question about the event's receipt."""
    return _confirming(event).order_by("-pk").first()


def is_worn(query: ProviderRequest, asker: InboxEvent) -> bool:
    """True when the asker's earlier attempt used the query up: an unclear answer counts once, then it is asked anew."""
    return bool(query.details.get("attempt") != asker.attempts)


def wear_out_queries(event_id: int) -> None:
    """Nothing that was asked so far counts for the next attempt."""
    for query in ProviderRequest.objects.filter(kind=RequestKind.STATUS_QUERY, event_id=event_id):
        query.details["attempt"] = None
        query.save(update_fields=["details"])


def _confirming(event: InboxEvent) -> QuerySet[ProviderRequest]:
    return ProviderRequest.objects.filter(
        kind=RequestKind.STATUS_QUERY, event=event, details__purpose="confirm", details__receipt=event.receipt
    )


def _ask(mine: InboxEvent, about: InboxEvent, now: datetime) -> Booked:
    number = _confirming(about).count()
    statuses.open_status_query(event=about, purpose="confirm", number=number, attempt=mine.attempts, now=now)
    return _wait(mine, now)


def ask_about(mine: InboxEvent, now: datetime) -> Booked:
    """Opens a status query on the locked event's receipt; the event goes on when it is answered."""
    return _ask(mine, mine, now)


def _wait(mine: InboxEvent, now: datetime) -> Booked:
    # The answer wakes the event; this is for an answer that was lost.
    _save(mine, due_at=now + timedelta(seconds=3), lease_until=None)
    return Booked.ASKED


def _link(push: ProviderRequest | None, event: InboxEvent, money: Money) -> None:
    """This event stands for the push's payment from now on, unless the push is known to have been unpaid."""
    if push is None or push.event_id is not None or push.amount_minor != money.minor:
        return
    if push.state == RequestState.FAILED and push.result.get("code") != RAN_OUT:
        return
    ProviderRequest.objects.filter(pk=push.pk).update(event=event)


def _duplicate(mine: InboxEvent, first: InboxEvent, now: datetime) -> Booked:
    """Of the reports of one payment only the paybill's has the payer's name, whichever is counted."""
    if first.state == EventState.APPLIED:
        payer_names.keep_for_intent(mine.payer_name, provider=mine.provider, intent_id=first.intent_id, now=now)
    _save(mine, state=EventState.DUPLICATE, intent_id=first.intent_id, due_at=None, lease_until=None)
    return Booked.DUPLICATE


def _book(mine: InboxEvent, intent: Intent | None, money: Money, now: datetime) -> None:
    """As `payments.record_payments` does for a signed event: to the intent, or to suspense."""
    mine.credits, mine.amount_minor, mine.currency = True, money.minor, money.currency
    mine.attempts, mine.last_error, mine.due_at, mine.lease_until = 0, "", None, None
    mine.intent_id = intent.intent_id if intent else None
    mine.tx_ref = intent.tx_ref if intent else mine.tx_ref
    key = matching.money_key(mine.receipt, mine.event_key)
    if intent is not None and matching.takes(intent, money):
        mine.state = EventState.APPLIED
        step = matching.credit(intent, money, now=now)
        persist([intent], [step], now=now)
        payer_names.keep(mine.payer_name, provider=mine.provider, user=intent.user, now=now)
        entry = entries.payment_received(provider=mine.provider, receipt=key, intent_id=intent.intent_id, money=money)
    else:
        mine.state = EventState.SURPLUS if intent else EventState.UNMATCHED
        mine.due_at = None if intent else now + timedelta(seconds=profile().timeouts.unmatched_alarm_s)
        entry = entries.unmatched_payment(provider=mine.provider, receipt=key, money=money)
    mine.save(update_fields=[
        "credits", "amount_minor", "currency", "attempts", "last_error", "due_at", "lease_until", "intent_id", "tx_ref",
        "state",
    ])  # fmt: skip
    post([entry], now=now)
    if mine.state == EventState.SURPLUS:
        alarm(mine, "surplusPayment", "money beyond what the intent expects; return it", now=now)


def alarm(event: InboxEvent, operation: str, error: str, *, now: datetime) -> None:
    """A dead letter about an event that needs a person; one per event while it is open."""
    dead_letters.add(
        operation=operation, subject=f"event:{event.pk}", attempts=max(event.attempts, 1), last_error=error,
        error_class="permanent", now=now,
        payload={
            "eventKey": event.event_key, "inboxId": event.pk, "intentId": event.intent_id or "", "txRef": event.tx_ref,
        },
    )  # fmt: skip


def _save(event: InboxEvent, **values: object) -> None:
    for name, value in values.items():
        setattr(event, name, value)
    event.save(update_fields=list(values))
