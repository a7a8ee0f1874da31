"""Storing what providers report and acting on it, in one transaction: lock, store, apply.

1. *Lock* the intents that the events name, so that nobody moves them meanwhile.
2. *Store* the events in the inbox, which says which of them are new.
3. *Apply* the new signed ones: move intents, post to the ledger. Events that nobody signed stay as they are, due to be
   confirmed with their provider.
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
from fiatrails.purchases.models import Intent
from fiatrails.purchases.payments import matching, payer_names
from fiatrails.purchases.store import Step, persist

_OTHER_CONTENT = "the event came again with other content; the first one stands"
_COLUMNS = [field.attname for field in Intent._meta.concrete_fields]
# The references as one JSON text: psycopg writes an array element by element.
_SELECT = f"""
    SELECT {", ".join(connection.ops.quote_name(str(field.column)) for field in Intent._meta.concrete_fields)}
      FROM purchases_intent
     WHERE tx_ref = ANY(ARRAY(SELECT json_array_elements_text(%s::json)))
     ORDER BY id FOR UPDATE
"""  # noqa: S608 - the names of our own columns


def record_payments(events: Sequence[PaymentEvent], *, now: datetime) -> list[Stored]:
    """Store the events and act on the new ones; one answer per event, in order. Durable when it returns.

    The number of statements does not depend on the number of events, but for payers who are named.
    """
    with transaction.atomic():
        intents = _lock(events)
        arrivals = [_arrival(event, intents.get(event.tx_ref), now) for event in events]
        answers = inbox.record(arrivals, now=now)
        _apply(arrivals, answers, intents, now)
        notify()
    return answers


def _lock(events: Sequence[PaymentEvent]) -> dict[str, Intent]:
    """The intents of the events' txRefs, locked in id order. A txRef without an intent is locked by name, and looked
    up once more: an intent that was being created while we looked is seen the second time."""
    wanted = {event.tx_ref for event in events if event.tx_ref}
    found = _select(wanted)
    missing = wanted - found.keys()
    if missing:
        matching.lock_tx_refs(missing)
        found |= _select(missing)
    return found


def _select(tx_refs: set[str]) -> dict[str, Intent]:
    # By hand, as this is the hottest statement of the product: the ORM spends more on writing it than the database
    # on answering it.
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [json.dumps(list(tx_refs))])
        rows = [Intent.from_db(connection.alias, _COLUMNS, row) for row in cursor.fetchall()]
    return {row.tx_ref: row for row in rows}


def _arrival(event: PaymentEvent, intent: Intent | None, now: datetime) -> Arrival:
    """The event in the state that it is stored in, should it turn out to be new."""
    intent_id = intent.intent_id if intent else None
    if event.paid is None:
        return Arrival(event, PaymentState.DECLINED, intent_id, credits=False, due_at=None)
    if not event.trusted:
        # An unconfirmed claim must not occupy the receipt: the true event of that payment would count as its duplicate.
        return Arrival(event, PaymentState.RECEIVED, intent_id, credits=False, due_at=now)
    credits = event.receipt is not None
    if intent is None:
        alarm_at = now + timedelta(seconds=profile().timeouts.unmatched_alarm_s)
        return Arrival(event, PaymentState.UNMATCHED, None, credits, alarm_at)
    state = PaymentState.APPLIED if matching.takes(intent, event.paid) else PaymentState.SURPLUS
    return Arrival(event, state, intent_id, credits, due_at=None)


@dataclass(slots=True)
class _Changes:
    """What the new events come to at `now`, written at once."""

    now: datetime
    intents: dict[int, Intent] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    entries: list[EntryDraft] = field(default_factory=list)
    # Stored as applied, and overtaken by a neighbour in this very batch that paid the intent first.
    overtaken: list[int | None] = field(default_factory=list)


def _apply(arrivals: Sequence[Arrival], answers: Sequence[Stored], intents: dict[str, Intent], now: datetime) -> None:
    """Credit what is new and signed. Conflicts and surplus money need a person."""
    changes = _Changes(now)
    for arrival, answer in zip(arrivals, answers, strict=True):
        if answer.status is Recorded.CONFLICT:
            _alarm("callbackConflict", _OTHER_CONTENT, arrival, answer, now)
        elif answer.status is Recorded.NEW and arrival.event.trusted and arrival.event.paid is not None:
            intent = intents.get(arrival.event.tx_ref)
            if not _credit(arrival, answer, arrival.event.paid, intent, changes) and intent is not None:
                _alarm("surplusPayment", "money beyond what the intent expects; return it", arrival, answer, now)
    if changes.overtaken:
        Payment.objects.filter(pk__in=changes.overtaken).update(state=PaymentState.SURPLUS)
    persist(list(changes.intents.values()), changes.steps, now=now)
    post(changes.entries, now=now)


def _credit(arrival: Arrival, answer: Stored, money: Money, intent: Intent | None, changes: _Changes) -> bool:
    """One new payment: to its intent, else to suspense; whether the intent took it."""
    event = arrival.event
    key = matching.money_key(event.receipt, event.event_key)
    if intent is None or not matching.takes(intent, money):
        changes.entries.append(entries.unmatched_payment(provider=event.provider, receipt=key, money=money))
        if arrival.state is PaymentState.APPLIED:
            changes.overtaken.append(answer.row_id)
        return False
    changes.steps.append(matching.credit(intent, money, now=changes.now))
    changes.intents[intent.pk] = intent
    payer_names.keep(event.payer_name, provider=event.provider, intent=intent, now=changes.now)
    changes.entries.append(
        entries.payment_received(provider=event.provider, receipt=key, intent_id=intent.intent_id, money=money)
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
