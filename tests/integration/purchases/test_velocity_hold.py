"""Velocity limits within the way of a payment: what is beyond them waits or goes back, and never mints."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.conf import settings

from fiatrails.kernel.profile import VelocityRule
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments.refunds import refund
from tests.conftest import SteppedClock
from tests.integration.purchases.stage import Stage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def limit(configure: Callable[..., None]) -> Callable[..., None]:
    def set_rule(**rule: object) -> None:
        rules = (VelocityRule(**rule),)  # type: ignore[arg-type]
        configure(profile=settings.FIATRAILS.profile.model_copy(update={"velocity": rules}))

    return set_rule


def state_of(purchase: Purchase) -> tuple[str, str]:
    found = Purchase.objects.get(pk=purchase.pk)
    return found.state, found.hold


def test_what_is_beyond_a_limit_waits_and_goes_on_when_the_window_has_room(
    stage: Stage, pay_for: Callable[..., Purchase], limit: Callable[..., None]
) -> None:
    limit(scope="phone", window_s=3600, max_count=2)
    purchases = [pay_for(f"V{n}") for n in range(3)]
    stage.step()
    assert sorted(state_of(purchase) for purchase in purchases) == [
        ("cleared", ""),
        ("cleared", ""),
        ("held", "velocity"),
    ]
    stage.step(minutes=5)
    assert ("held", "velocity") in [state_of(purchase) for purchase in purchases]
    stage.step(minutes=61)
    stage.step()
    assert ("held", "velocity") not in [state_of(purchase) for purchase in purchases]


def test_a_refund_makes_room(
    stage: Stage, clock: SteppedClock, pay_for: Callable[..., Purchase], limit: Callable[..., None]
) -> None:
    limit(scope="wallet", window_s=86_400, max_amount=1_500, currency="KES")
    first = pay_for("V1")
    stage.step()
    second = pay_for("V2")
    stage.step()
    assert state_of(second) == ("held", "velocity")
    Purchase.objects.filter(pk=first.pk).update(state="held", hold="operator", due_at=None)
    refund(intent_id=first.intent_id, actor="ann", reason="asked", external_reference="BANK-1", now=clock.now())
    stage.step(minutes=1)
    stage.step()
    assert state_of(second)[0] in ("cleared", "submitting")


def test_a_rule_that_refuses_sends_the_money_back(
    stage: Stage, pay_for: Callable[..., Purchase], limit: Callable[..., None]
) -> None:
    limit(scope="wallet", window_s=86_400, max_count=1, action="refuse")
    first = pay_for("V1")
    stage.step()
    second = pay_for("V2")
    stage.step()
    assert state_of(first)[0] in ("cleared", "submitting")
    assert state_of(second)[0] == "refunding"
