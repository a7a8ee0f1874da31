"""Lists of intents, as the API and the command line narrow them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from fiatrails.kernel.errors import BadInput, NotFound
from fiatrails.purchases.models import Intent
from fiatrails.purchases.queries import IntentFilter, find_intent, list_intents, paid_by_currency, timeline
from tests.conftest import SteppedClock

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "0x" + "b2" * 20
SECOND = timedelta(seconds=1)


def listed(wanted: IntentFilter, *, limit: int = 10) -> list[str]:
    return [intent.tx_ref for intent in list_intents(wanted, limit=limit)]


def test_each_condition_narrows_and_the_newest_come_first(
    make_intent: Callable[..., Intent], pay_for: Callable[..., Intent], clock: SteppedClock
) -> None:
    at = clock.now()
    first = make_intent("A-1", now=at)
    make_intent("A-2", now=at + SECOND, client="shop")
    make_intent("A-3", now=at + 2 * SECOND, user=OTHER)
    pay_for("A-4")
    assert listed(IntentFilter()) == ["A-4", "A-3", "A-2", "A-1"]
    assert listed(IntentFilter(), limit=2) == ["A-4", "A-3"]
    assert listed(IntentFilter(client="shop")) == ["A-2"]
    assert listed(IntentFilter(user=OTHER)) == ["A-3"]
    assert listed(IntentFilter(tx_ref="A-1")) == ["A-1"]
    assert listed(IntentFilter(states=["paid"])) == ["A-4"]
    assert listed(IntentFilter(below_id=first.id)) == []


def test_since_counts_and_after_and_before_do_not(make_intent: Callable[..., Intent], clock: SteppedClock) -> None:
    at = clock.now()
    for number in range(3):
        make_intent(f"A-{number}", now=at + number * SECOND)
    assert listed(IntentFilter(since=at + SECOND)) == ["A-2", "A-1"]
    assert listed(IntentFilter(after=at + SECOND)) == ["A-2"]
    assert listed(IntentFilter(before=at + SECOND)) == ["A-0"]


def test_an_intent_is_found_by_either_name_and_followed(pay_for: Callable[..., Intent]) -> None:
    intent = pay_for("A-1", kes=10)
    assert find_intent("A-1").pk == find_intent(intent.intent_id).pk == intent.pk
    assert [step.state for step in timeline(intent.intent_id)][-1] == "paid"
    assert paid_by_currency([intent.intent_id]) == {"KES": 1000}
    with pytest.raises(NotFound):
        find_intent("A-2")
    with pytest.raises(BadInput):
        find_intent("0x12")
