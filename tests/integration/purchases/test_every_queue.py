"""Every queue of the product: an error that nobody foresaw stays with its row, and the next rows go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError

from fiatrails.compliance.sanctions import suspensions
from fiatrails.compliance.sanctions.models import Suspension
from fiatrails.engine.models import DeadLetter, WorkRow
from fiatrails.engine.queue import Queue, run
from fiatrails.providers.core.models import Payment, ProviderRequest, RequestKind
from fiatrails.providers.mpesa.confirmations import CONFIRMATIONS
from fiatrails.providers.mpesa.requests import REQUESTS
from fiatrails.purchases.models import Delivery, Purchase
from fiatrails.purchases.outcomes import OUTCOMES
from fiatrails.purchases.payments.record import record_payments
from fiatrails.purchases.payments.unmatched import UNMATCHED
from fiatrails.purchases.queues import QUEUES
from fiatrails.purchases.states import State
from tests.conftest import SteppedClock
from tests.integration.purchases.conftest import paid

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]
ALL: tuple[Queue[Any, Any], ...] = (
    *QUEUES.values(), OUTCOMES, UNMATCHED, CONFIRMATIONS, REQUESTS, suspensions._MOVES, suspensions._CHECKS,
)  # fmt: skip
ROWS = 4


class Unforeseen:
    """A step that fails for two of its rows, each in its own way, and takes the others out of the queue."""

    def __init__(self, model: type[WorkRow]) -> None:
        self.model = model
        first, second, *_ = self.model._default_manager.order_by("pk").values_list("pk", flat=True)
        self.errors: dict[int, Exception] = {first: KeyError("a field"), second: IntegrityError("a constraint")}
        self.moved: set[int] = set()

    def __call__(self, rows: Sequence[WorkRow], tools: object) -> None:
        for row in rows:
            if row.pk in self.errors:
                raise self.errors[row.pk]
        done = {row.pk for row in rows}
        self.model._default_manager.filter(pk__in=done).update(due_at=None, lease_until=None)
        self.moved |= done


@pytest.fixture
def fill(make_purchase: Make, clock: SteppedClock) -> Callable[[Queue[Any, Any]], None]:
    """Puts rows into a queue that are due now."""

    def make(queue: Queue[Any, Any]) -> None:
        now = clock.now()
        if queue.model in (Purchase, Delivery):
            for number in range(ROWS):
                make_purchase(f"TX-{number}", now=now)
            state = queue.params.get("state", State.MINED.value)
            Purchase.objects.update(state=state, due_at=now)
            Delivery.objects.update(news={"kind": "executed"}, due_at=now)
        elif queue.model is Payment:
            record_payments([paid(f"TX-{number}", 10, receipt=f"R{number}") for number in range(ROWS)], now=now)
            Payment.objects.update(state="received" if queue is CONFIRMATIONS else "unmatched", due_at=now)
        elif queue.model is ProviderRequest:
            for number in range(ROWS):
                ProviderRequest.objects.create(
                    provider="mpesa", kind=RequestKind.CHARGE, reference=f"r{number}", dedupe_key=f"d{number}",
                    intent_id=f"0x{number:064x}", amount_minor=1, currency="KES", created_at=now, due_at=now,
                )  # fmt: skip
        else:
            settled = now if queue is suspensions._CHECKS else None
            for number in range(ROWS):
                Suspension.objects.create(
                    user=f"0x{number:040x}", wanted=suspensions.SUSPENDED, opened_at=now, due_at=now, settled_at=settled
                )

    return make


@pytest.mark.parametrize("queue", ALL, ids=lambda queue: queue.name)
def test_an_error_nobody_foresaw_stays_with_its_row_and_starves_nobody(
    queue: Queue[Any, Any], fill: Callable[[Queue[Any, Any]], None], clock: SteppedClock
) -> None:
    fill(queue)
    step = Unforeseen(queue.model)
    failing = replace(queue, step=step, room=None)
    assert run(failing, None, clock=clock) == ROWS
    rows = queue.model._default_manager.in_bulk()
    assert step.moved == set(rows) - set(step.errors)
    for number, words in zip(step.errors, ("KeyError: 'a field'", "IntegrityError: a constraint"), strict=True):
        row = rows[number]
        assert (row.attempts, row.last_error, row.lease_until) == (1, words, None)
        assert row.due_at > clock.now()
    for _ in range(10):
        clock.advance(seconds=61)
        run(failing, None, clock=clock)
    told = sorted(DeadLetter.objects.values_list("last_error", flat=True))
    assert told == ["IntegrityError: a constraint", "KeyError: 'a field'"]
    waiting = queue.model._default_manager.filter(pk__in=step.errors, due_at=None).count()
    assert waiting == (0 if queue.lasting else 2)
