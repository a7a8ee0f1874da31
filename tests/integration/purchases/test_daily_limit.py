"""What a recipient may be minted on a day: taken once, given back once, taken again by what comes to life again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError

from fiatrails.kernel.errors import Unprocessable
from fiatrails.purchases import decisions
from fiatrails.purchases.models import DailyUsage, Purchase
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.payments.record import record_payments
from tests.integration.purchases.conftest import TOKEN, paid
from tests.integration.purchases.stage import Stage, fresh

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]


def used() -> list[int]:
    """What is taken, a figure a day."""
    return [int(usage.total) for usage in DailyUsage.objects.order_by("day")]


@pytest.fixture
def late(make_purchase: Make, stage: Stage) -> Purchase:
    """A purchase that expired and was paid afterwards."""
    make_purchase("OTHER", now=stage.clock.now(), tokens=1)
    purchase = make_purchase("TX-1", now=stage.clock.now())
    assert used() == [11 * TOKEN]
    Purchase.objects.filter(tx_ref="OTHER").update(due_at=None)
    stage.step(days=1)
    assert (fresh(purchase).state, used()) == ("expired", [TOKEN])
    record_payments([paid("TX-1", 10, receipt="LATE1")], now=stage.clock.now())
    assert fresh(purchase).hold == "late_payment"
    return purchase


def test_a_purchase_that_expired_was_paid_late_and_refunded_gives_back_once(late: Purchase, stage: Stage) -> None:
    now = stage.clock.now()
    refunds.refund(intent_id=late.intent_id, actor="ops", reason="late", now=now, external_reference="bank-17")
    assert fresh(late).state == "refunded"
    assert used() == [TOKEN]


def test_late_money_that_is_accepted_takes_from_the_day_of_its_acceptance(late: Purchase, stage: Stage) -> None:
    decisions.accept(intent_id=late.intent_id, actor="ops", reason="agreed", now=stage.clock.now())
    assert used() == [TOKEN, 10 * TOKEN]
    assert fresh(late).limit_day == stage.clock.now().date()


def test_late_money_is_not_accepted_beyond_the_limit(late: Purchase, stage: Stage, make_purchase: Make) -> None:
    for number, tokens in enumerate((3000, 1995)):
        make_purchase(f"NEW-{number}", now=stage.clock.now(), tokens=tokens)
    with pytest.raises(Unprocessable, match="daily limit"):
        decisions.accept(intent_id=late.intent_id, actor="ops", reason="agreed", now=stage.clock.now())
    assert fresh(late).state == "held"


def test_a_sum_below_zero_cannot_be_stored(late: Purchase) -> None:
    with pytest.raises(IntegrityError, match="daily_usage_not_negative"):
        DailyUsage.objects.update(total=-1)
