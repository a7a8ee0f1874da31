"""Clearing paid purchases, and checking again those that were held for compliance."""

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
from fiatrails.purchases import deliveries, letters
from fiatrails.purchases.models import Delivery, Purchase
from fiatrails.purchases.payments import backing, refunds
from fiatrails.purchases.states import Hold, State
from fiatrails.purchases.store import Step, check_again, hold, move, persist
from fiatrails.purchases.tools import PurchaseTools

HELD_RECHECK = timedelta(seconds=30)


def clear(rows: Sequence[Purchase], tools: PurchaseTools) -> None:
    """Move paid -> cleared or held. The registry is asked once for the whole batch."""
    subjects = _subjects(rows)
    asked = _all(subjects.values())
    entries = clearing.look_up(asked, pool=tools.pool)
    screened = clearing.screen_payers(asked, pool=tools.pool, now=tools.clock.now())
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Purchase, rows)
        # Before the decision: a seal for money that is not there could be used by whoever edits the state once more.
        steps = backing.hold_unbacked(mine, now=now)
        backed = [purchase for purchase in mine if purchase.state == State.PAID]
        verdicts = clearing.decide(_all(subjects[each.pk] for each in backed), entries, now=now, screened=screened)
        unpaid = refunds.with_returned_money([purchase.intent_id for purchase in backed])
        for purchase in backed:
            verdict = _verdict([verdicts[subject.intent_id] for subject in subjects[purchase.pk]])
            if not verdict.cleared:
                hold(purchase, _hold_for(verdict), now=now, reason=verdict.reason, due_at=now + HELD_RECHECK)
            elif purchase.intent_id in unpaid:
                hold(purchase, Hold.REFUND_FAILED, now=now, reason=refunds.WENT_BACK)
            else:
                # In the place that it had: whoever paid first is ordered first.
                move(purchase, State.CLEARED, now=now, due_at=min(purchase.due_at or now, now))
            steps.append(Step(purchase.intent_id, purchase.state, "compliance", verdict.reason))
            if verdict.refund:
                steps += _refund_by_policy(purchase, now, reason=verdict.reason)
        persist(mine, steps, now=now)
        notify()


def review(rows: Sequence[Purchase], tools: PurchaseTools) -> None:
    """Look up again the payers held for compliance: KYC may have been completed. After the policy's time, refund."""
    subjects = _subjects(rows)
    asked = _all(subjects.values())
    entries = clearing.look_up(asked, pool=tools.pool)
    screened = clearing.screen_payers(asked, pool=tools.pool, now=tools.clock.now())
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Purchase, rows)
        steps: list[Step] = []
        for purchase in mine:
            if all(
                clearing.would_clear(subject, entries[subject.user], now=now, screened=screened)
                for subject in subjects[purchase.pk]
            ):
                move(purchase, State.PAID, now=now, due_at=now)
                steps.append(Step(purchase.intent_id, purchase.state, "compliance", "now compliant"))
            elif _refund_due(purchase, now):
                steps += _refund_by_policy(purchase, now)
            else:
                check_again(purchase, now + HELD_RECHECK)
        persist(mine, steps, now=now)
        notify()


def _hold_for(verdict: Verdict) -> Hold:
    if clearing.is_sanctions(verdict):
        return Hold.SANCTIONS
    return Hold.VELOCITY if clearing.is_velocity(verdict) else Hold.NOT_COMPLIANT


def _subjects(rows: Sequence[Purchase]) -> dict[int, list[Subject]]:
    """Return, by the purchase's key, one subject for each delivery that waits, under its reference.

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
    """Return what holds for the purchase: the first refusal of a delivery, if any."""
    return next((verdict for verdict in verdicts if not verdict.cleared), verdicts[0])


def _usage(delivery: Delivery, phones: Mapping[str, str]) -> Usage | None:
    """Return what velocity rules count: the purchase's money once, with its first delivery.

    A payer is known by the wallet; cards come with card payments.
    """
    if delivery.position != 0:
        return None
    purchase, wallet = delivery.purchase, delivery.recipient
    return Usage(
        purchase.intent_id,
        Money(purchase.fiat_currency, purchase.fiat_paid),
        payer=wallet,
        wallet=wallet,
        phone=phones.get(purchase.intent_id),
        country=delivery.asset,
    )


def _refund_by_policy(purchase: Purchase, now: datetime, *, reason: str = "not compliant in time") -> list[Step]:
    """Begin the refund, or leave the purchase held for an operator: a payment without a receipt cannot be reversed."""
    try:
        return [refunds.begin(purchase, actor="policy", reason=reason, now=now)]
    except Unprocessable as refusal:
        purchase.due_at, purchase.last_error = None, refusal.message
        dead_letters.add(
            operation="refundByPolicy",
            subject=purchase.intent_id,
            attempts=purchase.attempts,
            last_error=purchase.last_error,
            error_class=dead_letters.PERMANENT,
            payload=letters.payload(purchase),
            now=now,
        )
        return []


def _refund_due(purchase: Purchase, now: datetime) -> bool:
    """Return whether the policy's time is over; money of a payer who may be listed goes back to nobody by itself."""
    after = profile().compliance.refund_non_compliant_after_s
    if purchase.hold == Hold.SANCTIONS:
        return False
    return after is not None and purchase.held_at is not None and now >= purchase.held_at + timedelta(seconds=after)
