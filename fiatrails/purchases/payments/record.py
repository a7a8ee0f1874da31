"""Storing what providers report and acting on it, in one transaction: lock, store, apply.

1. *Lock* the purchases that the events name, so that nobody moves them meanwhile.
2. *Store* the events in the inbox, which says which of them are new.
3. *Apply* the new signed ones: move purchases, post to the ledger. Events that nobody signed stay as they are, due to
   be confirmed with their provider.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction

from fiatrails.engine import dead_letters
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.conf import profile
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import EntryDraft, post
from fiatrails.providers.core import inbox
from fiatrails.providers.core.alarms import subject_of
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.inbox import Arrival, Recorded, Stored
from fiatrails.providers.core.models import Payment, PaymentState
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments import matching, payer_names
from fiatrails.purchases.store import Step, persist

_OTHER_CONTENT = "the event came again with other content; the first one stands"
_COLUMNS = [field.attname for field in Purchase._meta.concrete_fields]
# The references as one JSON text: psycopg writes an array element by element.
_SELECT = f"""
    SELECT {", ".join(connection.ops.quote_name(str(field.column)) for field in Purchase._meta.concrete_fields)}
      FROM purchases_purchase
     WHERE tx_ref = ANY(ARRAY(SELECT json_array_elements_text(%s::json)))
     ORDER BY id FOR UPDATE
"""  # noqa: S608 - the names of our own columns


def record_payments(events: Sequence[PaymentEvent], *, now: datetime) -> list[Stored]:
    """Store the events and act on the new ones; one answer per event, in order. Durable when it returns.

    The number of statements does not depend on the number of events, but for payers who are named.
    """
    with transaction.atomic():
        purchases = _lock(events)
        arrivals = [_arrival(event, purchases.get(event.tx_ref), now) for event in events]
        answers = inbox.record(arrivals, now=now)
        _apply(arrivals, answers, purchases, now)
        notify()
    return answers


def _lock(events: Sequence[PaymentEvent]) -> dict[str, Purchase]:
    """Lock the purchases of the events' txRefs in id order.

    A txRef without a purchase is locked by name, and looked up once more: a purchase that was being created meanwhile
    is seen the second time.
    """
    wanted = {event.tx_ref for event in events if event.tx_ref}
    found = _select(wanted)
    missing = wanted - found.keys()
    if missing:
        matching.lock_tx_refs(missing)
        found |= _select(missing)
    return found


def _select(tx_refs: set[str]) -> dict[str, Purchase]:
    # By hand, as this is the hottest statement of the product: the ORM spends more on writing it than the database
    # on answering it.
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [json.dumps(list(tx_refs))])
        rows = [Purchase.from_db(connection.alias, _COLUMNS, row) for row in cursor.fetchall()]
    return {row.tx_ref: row for row in rows}


def _arrival(event: PaymentEvent, purchase: Purchase | None, now: datetime) -> Arrival:
    """Return the event in the state that it is stored in, should it turn out to be new."""
    intent_id = purchase.intent_id if purchase else None
    if event.paid is None:
        return Arrival(event, PaymentState.DECLINED, intent_id, credits=False, due_at=None)
    if not event.trusted:
        # An unconfirmed claim must not occupy the receipt: the true event of that payment would count as its duplicate.
        return Arrival(event, PaymentState.RECEIVED, intent_id, credits=False, due_at=now)
    credits = event.receipt is not None
    if purchase is None:
        alarm_at = now + timedelta(seconds=profile().timeouts.unmatched_alarm_s)
        return Arrival(event, PaymentState.UNMATCHED, None, credits, alarm_at)
    state = PaymentState.APPLIED if matching.takes(purchase, event.paid) else PaymentState.SURPLUS
    return Arrival(event, state, intent_id, credits, due_at=None)


@dataclass(slots=True)
class _Changes:
    """What the new events come to at `now`, written at once."""

    now: datetime
    purchases: dict[int, Purchase] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    entries: list[EntryDraft] = field(default_factory=list)
    # Stored as applied, and overtaken by a neighbour in this very batch that paid the purchase first.
    overtaken: list[int | None] = field(default_factory=list)


def _apply(
    arrivals: Sequence[Arrival], answers: Sequence[Stored], purchases: dict[str, Purchase], now: datetime
) -> None:
    """Credit what is new and signed. Conflicts and surplus money need a person."""
    changes = _Changes(now)
    for arrival, answer in zip(arrivals, answers, strict=True):
        if answer.status is Recorded.CONFLICT:
            _alarm("callbackConflict", _OTHER_CONTENT, arrival, answer, now)
        elif answer.status is Recorded.NEW and arrival.event.trusted and arrival.event.paid is not None:
            purchase = purchases.get(arrival.event.tx_ref)
            if not _credit(arrival, answer, arrival.event.paid, purchase, changes) and purchase is not None:
                _alarm("surplusPayment", "money beyond what the intent expects; return it", arrival, answer, now)
    if changes.overtaken:
        Payment.objects.filter(pk__in=changes.overtaken).update(state=PaymentState.SURPLUS)
    persist(list(changes.purchases.values()), changes.steps, now=now)
    post(changes.entries, now=now)


def _credit(arrival: Arrival, answer: Stored, money: Money, purchase: Purchase | None, changes: _Changes) -> bool:
    """Credit one new payment to its purchase, else to suspense; return whether the purchase took it."""
    event = arrival.event
    key = matching.money_key(event.receipt, event.event_key)
    if purchase is None or not matching.takes(purchase, money):
        changes.entries.append(entries.unmatched_payment(provider=event.provider, receipt=key, money=money))
        if arrival.state is PaymentState.APPLIED:
            changes.overtaken.append(answer.row_id)
        return False
    changes.steps.append(matching.credit(purchase, money, now=changes.now))
    changes.purchases[purchase.pk] = purchase
    payer_names.keep(event.payer_name, provider=event.provider, purchase=purchase, now=changes.now)
    changes.entries.append(
        entries.payment_received(provider=event.provider, receipt=key, intent_id=purchase.intent_id, money=money)
    )
    return True


def _alarm(operation: str, error: str, arrival: Arrival, answer: Stored, now: datetime) -> None:
    payload = {
        "eventKey": arrival.event.event_key,
        "provider": arrival.event.provider,
        "inboxId": answer.row_id,
        "intentId": answer.intent_id or "",
    }
    dead_letters.add(
        operation=operation,
        subject=subject_of(answer.row_id),
        attempts=1,
        last_error=error,
        error_class=dead_letters.PERMANENT,
        payload=payload,
        now=now,
    )
