"""The inbox: every acknowledged event has a row here, written in the transaction that acts on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from django.db import connection

from fiatrails.kernel.rows import json_rows
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.models import InboxEvent, Payment, PaymentState


class Recorded(StrEnum):
    """NEW: stored now. SEEN: stored before, same content. CONFLICT: stored before with other content, quarantined.
    RECEIPT_SEEN: a new event about a receipt that another event already credited."""

    NEW = "new"
    SEEN = "seen"
    CONFLICT = "conflict"
    RECEIPT_SEEN = "receipt_seen"


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event with what the domain decided to do about it, should it turn out to be new."""

    event: PaymentEvent
    state: PaymentState
    intent_id: str | None
    credits: bool
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an event; `intent_id` is the one that the stored event belongs to."""

    status: Recorded
    intent_id: str | None
    row_id: int | None


# Sorted by key so that two batches holding the same keys wait for each other instead of deadlocking. Of two contents
# under one key in one batch one is stored, and its payment is found by its digest.
_INSERT = """
    WITH arrivals AS (
        SELECT provider, channel, event_key, receipt, credits, decode(digest, 'hex') AS digest, raw, tx_ref,
               amount_minor, currency, phone, payer_name, occurred_at, state, intent_id, due_at
          FROM json_to_recordset(%(rows)s::json)
            AS t(provider text, channel text, event_key text, receipt text, credits bool, digest text, raw text,
                 tx_ref text, amount_minor bigint, currency text, phone text, payer_name text, occurred_at timestamptz,
                 state text, intent_id text, due_at timestamptz)
    ), stored AS (
        INSERT INTO rb_core_inbox_event (provider, kind, channel, event_key, digest, raw, received_at, state)
        SELECT provider, 'payment', channel, event_key, digest, decode(raw, 'hex'), %(now)s, 'processed'
          FROM arrivals ORDER BY provider, event_key
        ON CONFLICT DO NOTHING
        RETURNING id, provider, event_key, digest
    ), paid AS (
        INSERT INTO rb_core_payment (id, provider, receipt, credits, tx_ref, amount_minor, currency, phone, payer_name,
            occurred_at, state, intent_id, due_at, fence, attempts, last_error)
        SELECT id, provider, receipt, credits, tx_ref, amount_minor, currency, phone, payer_name, occurred_at, state,
               intent_id, due_at, 0, 0, ''
          FROM stored JOIN arrivals USING (provider, event_key, digest) ORDER BY provider, receipt
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    SELECT stored.id, provider, event_key, digest, paid.id IS NOT NULL FROM stored LEFT JOIN paid USING (id)
"""


def record(arrivals: Sequence[Arrival], *, now: datetime) -> list[Stored]:
    """Store the arrivals, one answer each, in order. Inside the caller's transaction, which also acts on the NEW ones.

    Two arrivals of one key in one call: the first is NEW, the other SEEN or CONFLICT.
    """
    new = {(row.provider, row.event_key): row for row in _insert(arrivals, now)}
    answers: list[Stored | None] = []
    for arrival in arrivals:
        key = arrival.event.provider, arrival.event.event_key
        inserted = new.get(key)
        if inserted is None or inserted.digest != arrival.event.digest:
            answers.append(None)
            continue
        del new[key]
        answers.append(
            Stored(Recorded.NEW, arrival.intent_id, inserted.id)
            if inserted.has_payment
            else _record_second_event(arrival, inserted.id)
        )
    unknown = _explain([a for a, answer in zip(arrivals, answers, strict=True) if answer is None], now)
    return [answer or next(unknown) for answer in answers]


def phones_of(intent_ids: Sequence[str]) -> dict[str, str]:
    """Return the phone that first paid each intent, where the provider named it."""
    events = Payment.objects.filter(intent_id__in=intent_ids).exclude(phone="").order_by("-pk")
    return {str(intent_id): phone for intent_id, phone in events.values_list("intent_id", "phone")}


class _Inserted(NamedTuple):
    """A new event. `has_payment` False: its receipt was credited through another event."""

    id: int
    provider: str
    event_key: str
    digest: bytes
    has_payment: bool


def _insert(arrivals: Sequence[Arrival], now: datetime) -> Iterator[_Inserted]:
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, {"now": now, "rows": json_rows(_row(arrival) for arrival in arrivals)})
        for row_id, provider, key, digest, has_payment in cursor.fetchall():
            yield _Inserted(row_id, provider, key, bytes(digest), has_payment)


def _row(arrival: Arrival) -> dict[str, object]:
    event = arrival.event
    return {
        "provider": event.provider,
        "channel": event.channel,
        "event_key": event.event_key,
        "receipt": event.receipt,
        "credits": arrival.credits,
        "digest": event.digest,
        "raw": event.raw,
        "tx_ref": event.tx_ref,
        "amount_minor": event.paid.minor if event.paid else 0,
        "currency": event.paid.currency if event.paid else "",
        "phone": event.phone,
        "payer_name": event.payer_name,
        "occurred_at": event.occurred_at,
        "state": arrival.state.value,
        "intent_id": arrival.intent_id,
        "due_at": arrival.due_at,
    }


def _explain(arrivals: Sequence[Arrival], now: datetime) -> Iterator[Stored]:
    """Why each of these was not inserted: its key was there before."""
    if not arrivals:
        return
    keys = {arrival.event.event_key for arrival in arrivals}
    rows = InboxEvent.objects.filter(event_key__in=keys).select_related("payment").defer("raw")
    known = {(row.provider, row.event_key): row for row in rows}
    for arrival in arrivals:
        row = known[arrival.event.provider, arrival.event.event_key]
        same = bytes(row.digest) == arrival.event.digest
        if not same:
            _quarantine(arrival.event, now)
        yield Stored(Recorded.SEEN if same else Recorded.CONFLICT, row.payment.intent_id, row.pk)


def _record_second_event(arrival: Arrival, event_id: int) -> Stored:
    """Record a second event of a receipt: the key is new, so it was the receipt that stood already (one payment, STK
    callback and C2B confirmation)."""
    event = arrival.event
    first = Payment.objects.get(provider=event.provider, receipt=event.receipt, credits=True)
    Payment.objects.create(
        event_id=event_id,
        provider=event.provider,
        receipt=event.receipt,
        tx_ref=event.tx_ref,
        amount_minor=event.paid.minor if event.paid else 0,
        currency=event.paid.currency if event.paid else "",
        phone=event.phone,
        payer_name=event.payer_name,
        occurred_at=event.occurred_at,
        state=PaymentState.DUPLICATE,
        intent_id=first.intent_id,
    )
    return Stored(Recorded.RECEIPT_SEEN, first.intent_id, first.pk)


def _quarantine(event: PaymentEvent, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rb_core_inbox_conflict (provider, event_key, digest, raw, received_at)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [event.provider, event.event_key, event.digest, event.raw, now],
        )
