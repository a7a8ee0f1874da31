"""The inbox: every acknowledged event has a row here, written in the transaction that acts on it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import connection

from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.models import EventState, InboxEvent


class Recorded(StrEnum):
    """NEW: stored now. SEEN: stored before, same content. CONFLICT: stored before with other content, quarantined.
    RECEIPT_SEEN: a new event about a receipt that another event already credited."""

    NEW = "new"
    SEEN = "seen"
    CONFLICT = "conflict"
    RECEIPT_SEEN = "receipt_seen"


@dataclass(frozen=True, slots=True)
class Draft:
    """An event with what the domain decided to do about it, should it turn out to be new."""

    event: PaymentEvent
    state: EventState
    intent_id: str | None
    credits: bool
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Receipted:
    """What became of a draft; `intent_id` is the one that the stored event belongs to."""

    status: Recorded
    intent_id: str | None
    row_id: int | None


# Sorted by key so that two batches holding the same keys wait for each other instead of deadlocking. All rows come as
# one JSON text: psycopg writes arrays element by element in Python, which costs more than the statement itself.
_INSERT = """
    INSERT INTO rb_core_inbox_event (provider, channel, event_key, receipt, credits, digest, raw, tx_ref, amount_minor,
        currency, phone, payer_name, occurred_at, received_at, state, intent_id, due_at, fence, attempts, last_error)
    SELECT provider, channel, event_key, receipt, credits, decode(digest, 'hex'), decode(raw, 'hex'), tx_ref,
        amount_minor, currency, phone, payer_name, occurred_at, %(now)s, state, intent_id, due_at, 0, 0, ''
      FROM json_to_recordset(%(rows)s::json)
        AS t(provider text, channel text, event_key text, receipt text, credits bool, digest text, raw text,
             tx_ref text, amount_minor bigint, currency text, phone text, payer_name text, occurred_at timestamptz,
             state text, intent_id text, due_at timestamptz)
     ORDER BY provider, event_key
    ON CONFLICT DO NOTHING
    RETURNING id, provider, event_key, digest
"""


def record(drafts: Sequence[Draft], *, now: datetime) -> list[Receipted]:
    """Stores the drafts, one answer each, in order. Inside the caller's transaction, which also acts on the NEW ones.

    Two drafts of one key in one call: the first is NEW, the other SEEN or CONFLICT.
    """
    new = {(provider, key): (row_id, bytes(digest)) for row_id, provider, key, digest in _insert(drafts, now)}
    answers: list[Receipted | None] = []
    for draft in drafts:
        event = draft.event
        inserted = new.get((event.provider, event.event_key))
        if inserted is not None and inserted[1] == event.digest:
            del new[(event.provider, event.event_key)]
            answers.append(Receipted(Recorded.NEW, draft.intent_id, inserted[0]))
        else:
            answers.append(None)
    pending = [(i, draft) for i, (draft, answer) in enumerate(zip(drafts, answers, strict=True)) if answer is None]
    for (i, _), answer in zip(pending, _explain([draft for _, draft in pending], now), strict=True):
        answers[i] = answer
    return [answer for answer in answers if answer is not None]


def phones_of(intent_ids: Sequence[str]) -> dict[str, str]:
    """The phone that first paid each intent, where the provider told it."""
    events = InboxEvent.objects.filter(intent_id__in=intent_ids).exclude(phone="").order_by("-id")
    return {str(intent_id): phone for intent_id, phone in events.values_list("intent_id", "phone")}


def _insert(drafts: Sequence[Draft], now: datetime) -> list[tuple[int, str, str, bytes]]:
    rows = json.dumps([_row(draft) for draft in drafts])
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, {"now": now, "rows": rows})
        return list(cursor.fetchall())


def _row(draft: Draft) -> dict[str, object]:
    event = draft.event
    return {
        "provider": event.provider,
        "channel": event.channel,
        "event_key": event.event_key,
        "receipt": event.receipt,
        "credits": draft.credits,
        "digest": event.digest.hex(),
        "raw": event.raw.hex(),
        "tx_ref": event.tx_ref,
        "amount_minor": event.paid.minor if event.paid else 0,
        "currency": event.paid.currency if event.paid else "",
        "phone": event.phone,
        "payer_name": event.payer_name,
        "occurred_at": event.occurred_at.isoformat() if event.occurred_at else None,
        "state": draft.state.value,
        "intent_id": draft.intent_id,
        "due_at": draft.due_at.isoformat() if draft.due_at else None,
    }


def _explain(drafts: Sequence[Draft], now: datetime) -> list[Receipted]:
    """Why each of these was not inserted."""
    if not drafts:
        return []
    keys = {draft.event.event_key for draft in drafts}
    known = {(row.provider, row.event_key): row for row in InboxEvent.objects.filter(event_key__in=keys)}
    answers = []
    for draft in drafts:
        row = known.get((draft.event.provider, draft.event.event_key))
        if row is None:
            answers.append(_record_second_event(draft, now))
        elif bytes(row.digest) == draft.event.digest:
            answers.append(Receipted(Recorded.SEEN, row.intent_id, row.pk))
        else:
            _quarantine(draft.event, now)
            answers.append(Receipted(Recorded.CONFLICT, row.intent_id, row.pk))
    return answers


def _record_second_event(draft: Draft, now: datetime) -> Receipted:
    """The key is new, so it was the receipt that stood already (one payment, STK callback and C2B confirmation)."""
    first = InboxEvent.objects.get(provider=draft.event.provider, receipt=draft.event.receipt, credits=True)
    duplicate = Draft(draft.event, EventState.DUPLICATE, first.intent_id, credits=False, due_at=None)
    _insert([duplicate], now)
    return Receipted(Recorded.RECEIPT_SEEN, first.intent_id, first.pk)


def _quarantine(event: PaymentEvent, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rb_core_inbox_conflict (provider, event_key, digest, raw, received_at)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [event.provider, event.event_key, event.digest, event.raw, now],
        )
