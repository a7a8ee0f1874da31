"""A row that says `paid` mints nothing: the money has to be in the books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from fiatrails.chains.core.chain import Reservation
from fiatrails.chains.evm.models import SlotIntent
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.errors import Conflict
from fiatrails.ledger.verify import equation
from fiatrails.purchases.decisions import accept
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments import backing, refunds
from fiatrails.purchases.payments.record import record_payments
from tests.integration.purchases import stage as acts
from tests.integration.purchases.conftest import paid
from tests.integration.purchases.stage import Stage, fresh, lane, letters, tampering

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]


@pytest.fixture(autouse=True)
def a_lane(stage: Stage) -> None:
    lane(stage.clock)


def edit(purchase: Purchase, stage: Stage, **columns: Any) -> None:
    """One UPDATE by hand."""
    Purchase.objects.filter(pk=purchase.pk).update(due_at=stage.clock.now(), **columns)


def say_that_it_is_paid(purchase: Purchase, stage: Stage) -> None:
    edit(purchase, stage, state="paid", fiat_paid=purchase.fiat_expected)


def test_a_state_set_by_hand_mints_nothing_and_is_told(make_purchase: Make, stage: Stage) -> None:
    purchase = make_purchase("TX-1", now=stage.clock.now())
    say_that_it_is_paid(purchase, stage)
    stage.settle()
    held = fresh(purchase)
    assert (held.state, held.hold, held.fiat_paid) == ("held", "not_in_books", 0)
    assert held.reason == "the row said paid with 10.00 KES, the books hold 0.00 KES of 10.00 KES"
    assert letters() == [("notInBooks", purchase.intent_id)]
    assert not SlotIntent.objects.exists()


def test_its_neighbours_are_minted(make_purchase: Make, pay_for: Make, stage: Stage) -> None:
    forged, honest = make_purchase("TX-1", now=stage.clock.now()), pay_for("TX-2")
    say_that_it_is_paid(forged, stage)
    stage.settle()
    assert [fresh(each).state for each in (forged, honest)] == ["held", "submitting"]
    assert [row.intent_id for row in SlotIntent.objects.all()] == [honest.intent_id]


def test_money_that_went_back_is_not_minted_by_setting_the_state_while_the_clearance_stands(
    pay_for: Make, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    purchase = pay_for("TX-1")
    with monkeypatch.context() as no_room:
        no_room.setattr("fiatrails.purchases.deliveries.reserve", lambda *_, **__: Reservation())
        stage.step()
    assert fresh(purchase).state == "cleared"
    edit(purchase, stage, state="held", hold="operator")
    refunds.refund(
        intent_id=purchase.intent_id, actor="ops", reason="asked", now=stage.clock.now(), external_reference="bank-1"
    )
    assert fresh(purchase).state == "refunded"
    edit(purchase, stage, state="cleared", hold="")
    stage.settle()
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "not_in_books")
    assert not SlotIntent.objects.exists()


def test_a_payment_of_another_purchase_brings_nothing(make_purchase: Make, pay_for: Make, stage: Stage) -> None:
    payer, thief = pay_for("TX-1"), make_purchase("TX-2", now=stage.clock.now())
    with tampering(), connection.cursor() as cursor:
        cursor.execute("UPDATE rb_core_payment SET intent_id = %s", [thief.intent_id])
    say_that_it_is_paid(thief, stage)
    stage.settle()
    assert (fresh(thief).state, fresh(thief).hold) == ("held", "not_in_books")
    assert fresh(payer).state == "held", "its own payment no longer names it, so a person looks at both"


def test_accepting_it_does_not_help(make_purchase: Make, stage: Stage) -> None:
    purchase = make_purchase("TX-1", now=stage.clock.now())
    say_that_it_is_paid(purchase, stage)
    stage.step()
    accept(intent_id=purchase.intent_id, actor="ops", reason="looks fine", now=stage.clock.now())
    stage.settle()
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "not_in_books")


def test_a_real_payment_lets_it_go_on_and_ends_the_alarm(make_purchase: Make, stage: Stage) -> None:
    purchase = make_purchase("TX-1", now=stage.clock.now())
    say_that_it_is_paid(purchase, stage)
    stage.step()
    record_payments([paid("TX-1", 10)], now=stage.clock.now())
    assert fresh(purchase).state == "paid"
    stage.settle()
    assert fresh(purchase).state == "submitting"
    assert backing.clear_alarms(now=stage.clock.now()) == 1
    assert letters() == []
    assert DeadLetter.objects.get().reason == "the intent is no longer held for the books"
    acts.require_clean_books()


def test_nothing_is_sent_back_for_it_and_an_operator_ends_it(make_purchase: Make, stage: Stage) -> None:
    purchase = make_purchase("TX-1", now=stage.clock.now())
    say_that_it_is_paid(purchase, stage)
    stage.step()
    with pytest.raises(Conflict, match="no payment of this intent is in the books"):
        refunds.refund(intent_id=purchase.intent_id, actor="ops", reason="asked", now=stage.clock.now())
    assert backing.clear_alarms(now=stage.clock.now()) == 0
    refunds.refund(
        intent_id=purchase.intent_id,
        actor="ops",
        reason="nobody paid",
        now=stage.clock.now(),
        external_reference="case 7",
    )
    assert (fresh(purchase).state, backing.clear_alarms(now=stage.clock.now())) == ("refunded", 1)
    assert equation("KES").refunded == 0
    acts.require_clean_books()
