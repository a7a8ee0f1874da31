"""Accepting what providers report: one transaction holds the raw bytes, the intent's move and the ledger entry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import connection, transaction

from fiatrails.engine import dead_letters
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.conf import profile
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import EntryDraft, post
from fiatrails.providers.core import inbox
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.inbox import Arrival, Recorded, Stored
from fiatrails.providers.core.models import Payment, PaymentState
from fiatrails.purchases.models import Intent
from fiatrails.purchases.payments import matching, payer_names
from fiatrails.purchases.store import Step, persist

_COLUMNS = [field.attname for field in Intent._meta.concrete_fields]
# The references as one JSON text: psycopg writes an array element by element.
_SELECT = f"""
    SELECT {", ".join(connection.ops.quote_name(str(field.column)) for field in Intent._meta.concrete_fields)}
      FROM purchases_intent
     WHERE tx_ref = ANY(ARRAY(SELECT json_array_elements_text(%s::json)))
     ORDER BY id FOR UPDATE
"""  # noqa: S608 - the names of our own columns


def record_payments(events: Sequence[PaymentEvent], *, now: datetime) -> list[Stored]:
    """Stores the events and acts on the new ones; one answer per event, in order. Durable when it returns.

    The number of statements does not depend on the number of events, but for payers who are named. Events of an
    untrusted form are only stored, due for confirmation with their provider.
    """
    with transaction.atomic():
        intents = _lock_intents(events)
        drafts = [_draft(event, intents, now) for event in events]
        answers = inbox.record(drafts, now=now)
        _alarm(_act(drafts, answers, intents, now), answers, now)
        notify()
    return answers


def _lock_intents(events: Sequence[PaymentEvent]) -> dict[str, Intent]:
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


def _draft(event: PaymentEvent, intents: dict[str, Intent], now: datetime) -> Arrival:
    """The state the event is stored in, were it new. (Money that an intent cannot take is decided on in `_act`.)"""
    intent = intents.get(event.tx_ref)
    intent_id = intent.intent_id if intent else None
    if event.paid is None:
        return Arrival(event, PaymentState.DECLINED, intent_id, credits=False, due_at=None)
    if not event.trusted:
        # An unconfirmed claim must not occupy the receipt: the true event of that payment would count as its duplicate.
        return Arrival(event, PaymentState.RECEIVED, intent_id, credits=False, due_at=now)
    credits = event.receipt is not None
    if intent is None:
        return Arrival(
            event,
            PaymentState.UNMATCHED,
            None,
            credits,
            now + timedelta(seconds=profile().timeouts.unmatched_alarm_s),
        )
    if matching.takes(intent, event.paid):
        return Arrival(event, PaymentState.APPLIED, intent_id, credits, due_at=None)
    return Arrival(event, PaymentState.SURPLUS, intent_id, credits, due_at=None)


def _act(
    drafts: Sequence[Arrival], answers: Sequence[Stored], intents: dict[str, Intent], now: datetime
) -> list[Arrival]:
    """Credits what is new; returns the drafts as they ended up. A draft that counted on its intent becomes surplus
    when a neighbour in this very batch paid the intent first."""
    touched: dict[int, Intent] = {}
    steps: list[Step] = []
    postings: list[EntryDraft] = []
    ended: list[Arrival] = list(drafts)
    overtaken: list[int] = []
    for position, (draft, answer) in enumerate(zip(drafts, answers, strict=True)):
        event, money = draft.event, draft.event.paid
        if answer.status is not Recorded.NEW or money is None or not event.trusted:
            continue
        intent = intents.get(event.tx_ref)
        if intent is None:
            postings.append(_to_suspense(event, money))
        elif matching.takes(intent, money):
            steps.append(matching.credit(intent, money, now=now))
            touched[intent.pk] = intent
            payer_names.keep(event.payer_name, provider=event.provider, user=intent.user, now=now)
            postings.append(_to_intent(event, money, intent.intent_id))
        else:
            postings.append(_to_suspense(event, money))
            if draft.state is PaymentState.APPLIED and answer.row_id is not None:
                overtaken.append(answer.row_id)
                ended[position] = replace(draft, state=PaymentState.SURPLUS)
    if overtaken:
        Payment.objects.filter(pk__in=overtaken).update(state=PaymentState.SURPLUS)
    persist(list(touched.values()), steps, now=now)
    post(postings, now=now)
    return ended


def _to_intent(event: PaymentEvent, money: Money, intent_id: str) -> EntryDraft:
    key = matching.money_key(event.receipt, event.event_key)
    return entries.payment_received(provider=event.provider, receipt=key, intent_id=intent_id, money=money)


def _to_suspense(event: PaymentEvent, money: Money) -> EntryDraft:
    key = matching.money_key(event.receipt, event.event_key)
    return entries.unmatched_payment(provider=event.provider, receipt=key, money=money)


def _alarm(drafts: Sequence[Arrival], answers: Sequence[Stored], now: datetime) -> None:
    """Conflicts and surplus money need a person; both are dead letters until somebody closes them."""
    for draft, answer in zip(drafts, answers, strict=True):
        if answer.status is Recorded.CONFLICT:
            _bury(
                "callbackConflict",
                draft,
                answer,
                "the event came again with other content; the first one stands",
                now,
            )
        elif answer.status is Recorded.NEW and draft.state is PaymentState.SURPLUS:
            _bury("surplusPayment", draft, answer, "money beyond what the intent expects; return it", now)


def _bury(operation: str, draft: Arrival, answer: Stored, error: str, now: datetime) -> None:
    payload = {
        "eventKey": draft.event.event_key,
        "provider": draft.event.provider,
        "inboxId": answer.row_id,
        "intentId": answer.intent_id or "",
    }
    dead_letters.add(
        operation=operation, subject=f"event:{answer.row_id}", attempts=1, last_error=error,
        error_class="permanent", payload=payload, now=now,
    )  # fmt: skip
