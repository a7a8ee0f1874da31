"""Lists of purchases, as the API and the command line narrow them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from fiatrails.kernel.errors import BadInput, NotFound
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.queries import PurchaseFilter, find_purchase, list_purchases, paid_by_currency, timeline
from tests.conftest import SteppedClock

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "0x" + "b2" * 20
SECOND = timedelta(seconds=1)


def listed(wanted: PurchaseFilter, *, limit: int = 10) -> list[str]:
    return [purchase.tx_ref for purchase in list_purchases(wanted, limit=limit)]


def test_each_condition_narrows_and_the_newest_come_first(
    make_purchase: Callable[..., Purchase], pay_for: Callable[..., Purchase], clock: SteppedClock
) -> None:
    at = clock.now()
    first = make_purchase("A-1", now=at)
    make_purchase("A-2", now=at + SECOND, client="shop")
    make_purchase("A-3", now=at + 2 * SECOND, user=OTHER)
    pay_for("A-4")
    assert listed(PurchaseFilter()) == ["A-4", "A-3", "A-2", "A-1"]
    assert listed(PurchaseFilter(), limit=2) == ["A-4", "A-3"]
    assert listed(PurchaseFilter(client="shop")) == ["A-2"]
    assert listed(PurchaseFilter(user=OTHER)) == ["A-3"]
    assert listed(PurchaseFilter(tx_ref="A-1")) == ["A-1"]
    assert listed(PurchaseFilter(states=["paid"])) == ["A-4"]
    assert listed(PurchaseFilter(below_id=first.id)) == []


def test_since_counts_and_after_and_before_do_not(make_purchase: Callable[..., Purchase], clock: SteppedClock) -> None:
    at = clock.now()
    for number in range(3):
        make_purchase(f"A-{number}", now=at + number * SECOND)
    assert listed(PurchaseFilter(since=at + SECOND)) == ["A-2", "A-1"]
    assert listed(PurchaseFilter(after=at + SECOND)) == ["A-2"]
    assert listed(PurchaseFilter(before=at + SECOND)) == ["A-0"]


def test_a_purchase_is_found_by_either_name_and_followed(pay_for: Callable[..., Purchase]) -> None:
    purchase = pay_for("A-1", kes=10)
    assert find_purchase("A-1").pk == find_purchase(purchase.intent_id).pk == purchase.pk
    assert [step.state for step in timeline(purchase.intent_id)][-1] == "paid"
    assert paid_by_currency([purchase.intent_id]) == {"KES": 1000}
    with pytest.raises(NotFound):
        find_purchase("A-2")
    with pytest.raises(BadInput):
        find_purchase("0x12")
