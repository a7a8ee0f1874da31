"""Purchases that their chain cannot mint now: nothing is written for them while they wait, and they go on in order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from fiatrails.chains.core.holds import HoldReason
from fiatrails.chains.evm.models import Funds, Lane, SlotIntent
from fiatrails.compliance.models import Decision
from fiatrails.engine.models import DeadLetter
from fiatrails.operations import holds as alarms
from fiatrails.operations.replay import replay_item
from fiatrails.purchases import waiting
from fiatrails.purchases.models import Purchase, Transition
from fiatrails.purchases.outcomes import collect_outcomes
from fiatrails.purchases.payments.record import record_payments
from tests.integration.purchases import stage as acts
from tests.integration.purchases.conftest import TOKEN, paid
from tests.integration.purchases.stage import Stage, fresh, lane

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]


def treasury(stage: Stage, *, tokens: int, allowed: int = 10**9, held: str = "") -> Funds:
    """What the worker read last: so many tokens' worth of coins."""
    values = {
        "is_treasury": True, "escrow": "0x" + "06" * 20, "stablecoin": "0x" + "04" * 20, "balance": tokens * TOKEN,
        "allowance": allowed * TOKEN, "block_number": 5, "read_at": stage.clock.now(), "held": held,
        "held_since": stage.clock.now() if held else None,
    }  # fmt: skip
    key = {"chain_id": 31337, "country": "KES", "payer": "0x" + "fe" * 20}
    return Funds.objects.update_or_create(**key, defaults=values)[0]


def versions(table: str) -> list[Any]:
    """Every row of a table with the transaction that wrote it last."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, xmin::text FROM {table} ORDER BY id")
        return cursor.fetchall()


def written() -> tuple[Any, ...]:
    """All that a waiting purchase could cause to be written."""
    tables = ("purchases_purchase", "purchases_delivery", "compliance_decision", "purchases_transition", "evm_lane")
    return tuple(versions(table) for table in tables)


def test_what_cannot_be_paid_for_waits_with_both_figures_and_the_next_goes_on(
    pay_for: Make, make_purchase: Make, stage: Stage
) -> None:
    lane(stage.clock)
    treasury(stage, tokens=9)
    big = pay_for("TX-1")
    small = make_purchase("TX-2", now=stage.clock.now(), tokens=5)
    record_payments([paid("TX-2", 5, receipt="R2")], now=stage.clock.now())
    stage.settle()
    found = fresh(big)
    assert (found.state, found.attempts, found.due_at, found.waits_for) == ("cleared", 0, None, "evm:31337 KES")
    assert "holds 9.00 of the coin behind KES, and this mint needs 10.00; send it coins of 0x0404" in found.last_error
    assert fresh(small).state == "submitting"
    treasury(stage, tokens=14)
    assert waiting.wake_payable(now=stage.clock.now()) == 0
    treasury(stage, tokens=15)
    stage.settle()
    assert fresh(big).state == "submitting"


def test_money_goes_to_the_longest_paid_that_it_suffices_for(pay_for: Make, stage: Stage) -> None:
    lane(stage.clock)
    treasury(stage, tokens=0)
    waiting_ones = []
    for number in range(4):
        waiting_ones.append(pay_for(f"TX-{number}"))
        stage.settle()
        stage.clock.advance(seconds=1)
    assert {fresh(each).waits_for for each in waiting_ones} == {"evm:31337 KES"}
    treasury(stage, tokens=25)
    newcomer = pay_for("TX-NEW")
    stage.settle()
    assert [fresh(each).state for each in waiting_ones] == ["submitting", "submitting", "cleared", "cleared"]
    assert fresh(newcomer).waits_for == "evm:31337 KES"


def test_who_waits_for_coins_causes_no_write_however_long_it_lasts(pay_for: Make, stage: Stage) -> None:
    lane(stage.clock)
    treasury(stage, tokens=3)
    for number in range(20):
        pay_for(f"TX-{number}")
    stage.settle()
    before = written()
    for _ in range(40):
        assert stage.step(seconds=30) == 0
    assert written() == before


def test_who_waits_for_a_lane_that_holds_causes_no_write_and_goes_on_in_order(pay_for: Make, stage: Stage) -> None:
    made = lane(stage.clock)
    Lane.objects.update(held="fee_cap: the next block costs too much", held_since=stage.clock.now())
    purchases = [pay_for(f"TX-{number}") for number in range(30)]
    stage.settle()
    assert {fresh(each).state for each in purchases} == {"cleared"}
    before, decided = written(), Decision.objects.count()
    for _ in range(40):
        assert stage.step(seconds=30) == 0
    assert written() == before
    Lane.objects.filter(pk=made.pk).update(held="", held_since=None)
    stage.settle(8)
    assert {fresh(each).state for each in purchases} == {"submitting"}
    # The clearance ran out meanwhile: it is decided anew once, when the order can go, and nobody goes alone for it.
    assert Decision.objects.count() == decided + len(purchases)
    assert SlotIntent.objects.values("slot").distinct().count() == 1
    acts.require_clean_books()


def test_a_lapsed_clearance_costs_nobody_its_place(pay_for: Make, stage: Stage, configure: Any) -> None:
    acts.set_profile(configure, "evm", in_flight=1, batch_size=1)
    lane(stage.clock)
    Lane.objects.update(held="fee_cap: dear", held_since=stage.clock.now())
    first = pay_for("TX-1")
    stage.settle()
    stage.clock.advance(seconds=400)
    newcomer = pay_for("TX-2")
    stage.settle()
    Lane.objects.update(held="", held_since=None)
    stage.settle()
    assert [fresh(each).state for each in (first, newcomer)] == ["submitting", "cleared"]


@pytest.mark.parametrize("mode", ["DEGRADED_MODE", "READ_ONLY", "MAINTENANCE_MODE"])
def test_a_mode_that_stops_a_queue_leaves_its_rows_as_they_are(
    pay_for: Make, stage: Stage, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    lane(stage.clock)
    stage.registry.refused.add("0x" + "b2" * 20)
    cleared, held = pay_for("TX-1"), pay_for("TX-2", user="0x" + "b2" * 20)
    Lane.objects.update(held="x: y")
    stage.settle()
    Lane.objects.update(held="")
    fresh_one = pay_for("TX-3")
    states = [fresh(each).state for each in (cleared, held, fresh_one)]
    assert states == ["cleared", "held", "paid"]
    monkeypatch.setenv(mode, "1")
    before = written()
    for _ in range(60):
        assert stage.step(seconds=1) == 0
    assert written() == before


@pytest.mark.parametrize("code", ["clearance_expired", "contracts_paused", "treasury_short", "allowance_short"])
def test_an_order_that_left_its_slot_unsigned_is_cleared_again_in_its_old_place(
    pay_for: Make, stage: Stage, code: str
) -> None:
    lane(stage.clock)
    purchase = pay_for("TX-1")
    stage.settle()
    SlotIntent.objects.update(state="released", code=code, report_due=True)
    stage.clock.advance(seconds=400)
    collect_outcomes(now=stage.clock.now())
    found = fresh(purchase)
    assert (found.state, found.due_at, found.delivery.alone, found.delivery.releases) == (
        "paid", found.paid_at, False, 0,
    )  # fmt: skip
    assert found.reason == f"left its slot unsigned: {code}"


def test_what_waits_is_a_hold_of_its_country_and_stands_behind_each_intent(pay_for: Make, stage: Stage) -> None:
    lane(stage.clock)
    treasury(stage, tokens=3)
    begun = stage.clock.now()
    purchases = [pay_for(f"TX-{number}") for number in range(3)]
    stage.settle()
    (hold,) = waiting.holds(now=stage.clock.now())
    assert (hold.address, hold.role, hold.reason, hold.since) == ("KES", "country", HoldReason.TREASURY, begun)
    assert hold.detail.endswith("(3 intents wait)")
    for each in purchases:
        (behind,) = waiting.reasons(fresh(each), now=stage.clock.now())
        assert "this mint needs 10.00" in behind.detail


def test_a_lane_that_holds_stands_behind_what_is_in_it_and_what_waits_for_it(pay_for: Make, stage: Stage) -> None:
    lane(stage.clock)
    inside = pay_for("TX-1")
    stage.settle()
    Lane.objects.update(held="no_funds: nonce 0", held_since=stage.clock.now())
    outside = pay_for("TX-2")
    stage.settle()
    assert [fresh(each).state for each in (inside, outside)] == ["submitting", "cleared"]
    for each in (inside, outside):
        (hold,) = waiting.reasons(fresh(each), now=stage.clock.now())
        assert (hold.role, hold.reason) == ("executor", HoldReason.FEE_MONEY)


def test_a_hold_becomes_an_alarm_after_half_a_minute_and_ends_with_its_cause(stage: Stage) -> None:
    treasury(stage, tokens=0, held="contracts_paused: the escrow is paused; unpause it")
    stage.clock.advance(seconds=29)
    assert alarms.watch(stage.clock) == "0 held"
    stage.clock.advance(seconds=1)
    assert alarms.watch(stage.clock) == "1 held"
    letter = DeadLetter.objects.get(state="open")
    assert (letter.operation, letter.subject) == ("mintsHeld", "evm:31337 country KES")
    assert (letter.last_error, letter.payload["reason"]) == (
        "contracts_paused: the escrow is paused; unpause it", "paused",
    )  # fmt: skip
    advice = replay_item(item_id=f"DL-{letter.pk:06d}", actor="ops", now=stage.clock.now())
    assert (advice.restarted, advice.closed) == (False, False)
    treasury(stage, tokens=5)
    alarms.watch(stage.clock)
    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("resolved", "mints go out again")


def test_the_timeline_of_what_waits_does_not_grow(pay_for: Make, stage: Stage) -> None:
    lane(stage.clock)
    treasury(stage, tokens=3)
    purchase = pay_for("TX-1")
    stage.settle()
    before = Transition.objects.filter(intent_id=purchase.intent_id).count()
    stage.clock.advance(hours=5)
    for _ in range(10):
        stage.step(minutes=5)
    assert Transition.objects.filter(intent_id=purchase.intent_id).count() == before
    assert fresh(purchase).waits_since is not None
    assert stage.clock.now() - (fresh(purchase).waits_since or stage.clock.now()) > timedelta(hours=5)
