"""Clearing paid intents, and looking again at those that were held for compliance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from fiatrails.compliance import clearing
from fiatrails.compliance.clearing import Subject
from fiatrails.compliance.policy import Verdict
from fiatrails.compliance.velocity.rules import Usage
from fiatrails.engine import dead_letters
from fiatrails.engine.claim import still_mine
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import Unprocessable
from fiatrails.kernel.money import Money
from fiatrails.providers.core.inbox import phones_of
from fiatrails.purchases import deliveries
from fiatrails.purchases.models import Delivery, Intent
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.states import Hold, State
from fiatrails.purchases.store import Step, hold, look_again, move, persist
from fiatrails.purchases.tools import Tools

HELD_RECHECK = timedelta(seconds=30)


def clear(rows: Sequence[Intent], tools: Tools) -> None:
    """Move paid -> cleared or held. The registry is asked once for the whole batch."""
    subjects = _subjects(rows)
    asked = _all(subjects.values())
    entries = clearing.look_up(asked, pool=tools.pool)
    screened = clearing.screen_payers(asked, pool=tools.pool, now=tools.clock.now())
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Intent, rows)
        verdicts = clearing.decide(_all(subjects[i.pk] for i in mine), entries, now=now, screened=screened)
        steps = []
        for intent in mine:
            verdict = _verdict([verdicts[subject.intent_id] for subject in subjects[intent.pk]])
            if verdict.cleared:
                move(intent, State.CLEARED, now=now, due_at=now)
            else:
                hold(intent, _hold_for(verdict), now=now, reason=verdict.reason, due_at=now + HELD_RECHECK)
            steps.append(Step(intent.intent_id, intent.state, "compliance", verdict.reason))
            if verdict.refund:
                steps += _refund_by_policy(intent, now, reason=verdict.reason)
        persist(mine, steps, now=now)
        notify()


def review(rows: Sequence[Intent], tools: Tools) -> None:
    """Look up again the payers held for compliance: KYC may have been completed. After the policy's time, refund."""
    subjects = _subjects(rows)
    asked = _all(subjects.values())
    entries = clearing.look_up(asked, pool=tools.pool)
    screened = clearing.screen_payers(asked, pool=tools.pool, now=tools.clock.now())
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Intent, rows)
        steps: list[Step] = []
        for intent in mine:
            if all(
                clearing.would_clear(subject, entries[subject.user], now=now, screened=screened)
                for subject in subjects[intent.pk]
            ):
                move(intent, State.PAID, now=now, due_at=now)
                steps.append(Step(intent.intent_id, intent.state, "compliance", "now compliant"))
            elif _refund_due(intent, now):
                steps += _refund_by_policy(intent, now)
            else:
                look_again(intent, now + HELD_RECHECK)
        persist(mine, steps, now=now)
        notify()


def _hold_for(verdict: Verdict) -> Hold:
    if clearing.is_sanctions(verdict):
        return Hold.SANCTIONS
    return Hold.VELOCITY if clearing.is_velocity(verdict) else Hold.NOT_COMPLIANT


def _subjects(rows: Sequence[Intent]) -> dict[int, list[Subject]]:
    """By the purchase's key: one subject for each delivery that waits, under its reference.

    Phones are only looked up where a velocity rule may count them.
    """
    deliveries.load(rows)
    limited = bool(profile().velocity)
    phones = phones_of([row.intent_id for row in rows]) if limited else {}
    return {
        row.pk: [
            Subject(each.reference, each.recipient, int(each.amount), _usage(each, phones) if limited else None)
            for each in deliveries.waiting(row)
        ]
        for row in rows
    }


def _all(subjects: Iterable[Sequence[Subject]]) -> list[Subject]:
    return [subject for of_one in subjects for subject in of_one]


def _verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """What holds for the purchase: the first refusal of a delivery, if any."""
    return next((verdict for verdict in verdicts if not verdict.cleared), verdicts[0])


def _usage(delivery: Delivery, phones: Mapping[str, str]) -> Usage | None:
    """The purchase's money counts once, with its first delivery. A payer is known by the wallet; cards come with card
    payments."""
    if delivery.position != 0:
        return None
    intent, wallet = delivery.purchase, delivery.recipient
    return Usage(
        intent.intent_id, Money(intent.fiat_currency, intent.fiat_paid), payer=wallet, wallet=wallet,
        phone=phones.get(intent.intent_id), country=delivery.asset,
    )  # fmt: skip


def _refund_by_policy(intent: Intent, now: datetime, *, reason: str = "not compliant in time") -> list[Step]:
    """A payment without a receipt cannot be reversed through the provider: it stays held, for an operator."""
    try:
        return [refunds.begin(intent, actor="policy", reason=reason, now=now)]
    except Unprocessable as refusal:
        intent.due_at, intent.last_error = None, refusal.message
        dead_letters.add(
            operation="refundByPolicy", subject=intent.intent_id, attempts=intent.attempts,
            last_error=intent.last_error, error_class=dead_letters.PERMANENT,
            payload={"txRef": intent.tx_ref, "state": intent.state}, now=now,
        )  # fmt: skip
        return []


def _refund_due(intent: Intent, now: datetime) -> bool:
    """Money of a payer who may be listed goes back to nobody by itself."""
    after = profile().compliance.refund_non_compliant_after_s
    if intent.hold == Hold.SANCTIONS:
        return False
    return after is not None and intent.held_at is not None and now >= intent.held_at + timedelta(seconds=after)
