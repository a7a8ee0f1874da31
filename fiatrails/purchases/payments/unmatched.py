"""Payments that no purchase has claimed: one dead letter for each that waited too long; it stays matchable."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from fiatrails.engine import queue
from fiatrails.engine.claim import still_mine
from fiatrails.engine.dead_letters import Work
from fiatrails.engine.queue import Queue
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.clock import Clock
from fiatrails.providers.core.alarms import alarm, subject_of
from fiatrails.providers.core.models import Payment, PaymentState
from fiatrails.purchases.payments import matching


def alarm_unmatched(*, clock: Clock, limit: int = 100) -> int:
    """Make one pass over the payments that waited long enough; return how many were claimed."""
    return queue.run(UNMATCHED, clock, clock=clock, limit=limit)


def _match_or_alarm(rows: Sequence[Payment], clock: Clock) -> None:
    """Give the payment to a purchase that came meanwhile; otherwise alarm a person."""
    for row in rows:
        with transaction.atomic():
            purchase = matching.lock_purchase(row.tx_ref)
            for mine in still_mine(Payment, [row]):
                if mine.state != PaymentState.UNMATCHED:
                    continue
                if purchase is not None:
                    matching.settle_waiting(mine, purchase, now=clock.now())
                    notify()
                else:
                    _alarm(mine, clock)


def _alarm(mine: Payment, clock: Clock) -> None:
    mine.due_at = mine.lease_until = None
    mine.save(update_fields=["due_at", "lease_until"])
    alarm(mine, "unmatchedPayment", "no intent has claimed this payment; find its owner, or return it", now=clock.now())


UNMATCHED: Queue[Payment, Clock] = Queue(
    name="payments.unmatched",
    model=Payment,
    condition="AND state = 'unmatched'",
    step=_match_or_alarm,
    work=lambda row: Work("unmatchedPayment", subject_of(row.pk), {"eventKey": row.event_key, "inboxId": row.pk}),
    metric="provider_call",
    one_by_one=True,
)
