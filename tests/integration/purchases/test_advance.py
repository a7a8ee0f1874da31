"""The queues that move purchases, pass by pass, on a real PostgreSQL; the chain's answers are the test's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from fiatrails.chains.core.chain import Reservation
from fiatrails.chains.core.clearance import Clearance
from fiatrails.chains.evm.models import SlotIntent
from fiatrails.compliance.models import Decision
from fiatrails.engine.models import DeadLetter
from fiatrails.operations.replay import replay_item
from fiatrails.purchases.models import DailyUsage, Purchase
from tests.integration.purchases import stage as acts
from tests.integration.purchases.conftest import TOKEN, USER
from tests.integration.purchases.stage import Stage, fresh, lane, letters, timeline

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]
OTHER = "0x" + "b2" * 20


def the_letter() -> str:
    return f"DL-{DeadLetter.objects.get(state='open').pk:06d}"


def exhaust(stage: Stage, times: int = 8) -> None:
    """As many attempts as the profile allows, each past the longest pause."""
    for _ in range(times):
        stage.step(seconds=61)


def clear_only(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clears what is paid, while every slot is taken."""
    with monkeypatch.context() as busy:
        busy.setattr("fiatrails.purchases.deliveries.reserve", lambda *a, **k: Reservation())
        stage.settle()


# -- clearing ----------------------------------------------------------------------------------------------------


def test_a_compliant_payer_is_cleared_with_a_stored_decision(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1")
    stage.step()
    decision = Decision.objects.get()
    assert (decision.intent_id, decision.user, int(decision.amount)) == (purchase.intent_id, USER, 10 * TOKEN)
    assert (decision.cleared, decision.code, decision.inputs["is_verified"]) == (True, "compliant", True)
    assert decision.expires_at == stage.clock.now() + timedelta(seconds=300)
    assert decision.seal
    assert timeline(purchase) == ["awaiting_payment", "paid", "cleared"]


def test_a_refused_payer_is_held_with_a_reason_a_person_can_read(pay_for: Make, stage: Stage) -> None:
    stage.registry.refused.add(USER)
    purchase = pay_for("TX-1")
    stage.step()
    found = fresh(purchase)
    assert (found.state, found.hold, found.held_at) == ("held", "not_compliant", stage.clock.now())
    assert found.reason == "the registry says that the user is not verified"
    assert (Decision.objects.get().cleared, Decision.objects.get().seal) == (False, "")
    assert timeline(purchase)[-1] == "held"


def test_a_refused_payer_does_not_hold_up_its_batch(pay_for: Make, stage: Stage) -> None:
    stage.registry.refused.add(OTHER)
    refused, fine = pay_for("TX-1", user=OTHER), pay_for("TX-2")
    stage.step()
    assert stage.registry.asked == 1
    assert (fresh(refused).state, fresh(fine).state) == ("held", "cleared")


def test_a_held_payer_is_looked_up_every_thirty_seconds_and_goes_on_once_compliant(pay_for: Make, stage: Stage) -> None:
    stage.registry.refused.add(USER)
    purchase = pay_for("TX-1")
    stage.step()
    held_at, asked = fresh(purchase).held_at, stage.registry.asked
    assert stage.step(seconds=29) == 0
    assert stage.step(seconds=1) == 1
    assert stage.registry.asked == asked + 1
    assert (fresh(purchase).state, fresh(purchase).held_at) == ("held", held_at)
    stage.registry.refused.clear()
    assert stage.step(seconds=29) == 0
    stage.step(seconds=1)
    stage.step()
    assert fresh(purchase).state == "cleared"
    assert timeline(purchase)[-3:] == ["held", "paid", "cleared"]


# -- outages and modes -------------------------------------------------------------------------------------------


def test_an_outage_costs_attempts_and_ends_as_a_dead_letter_that_can_be_replayed(pay_for: Make, stage: Stage) -> None:
    stage.registry.down = True
    purchase = pay_for("TX-1")
    exhaust(stage, 7)
    assert (fresh(purchase).attempts, fresh(purchase).state, letters()) == (7, "paid", [])
    assert "rpc_unavailable" in fresh(purchase).last_error
    exhaust(stage, 1)
    assert letters() == [("checkCompliance", purchase.intent_id)]
    assert (fresh(purchase).due_at, stage.step(hours=1)) == (None, 0)

    stage.registry.down = False
    replayed = replay_item(item_id=the_letter(), actor="ops", now=stage.clock.now())
    assert (replayed.restarted, fresh(purchase).attempts) == (True, 0)
    stage.step()
    assert (fresh(purchase).state, letters()) == ("cleared", [])


def test_a_held_payer_survives_an_outage(pay_for: Make, stage: Stage) -> None:
    """Otherwise an hour without the chain would leave the payer held for ever, and the policy's refund undone."""
    stage.registry.refused.add(USER)
    purchase = pay_for("TX-1")
    stage.step()
    stage.registry.down = True
    exhaust(stage)
    assert letters() == [("checkCompliance", purchase.intent_id)]
    stage.registry.down = False
    stage.registry.refused.clear()
    assert replay_item(item_id=the_letter(), actor="ops", now=stage.clock.now()).restarted
    stage.settle()
    assert fresh(purchase).state == "cleared"


def test_failures_of_different_days_do_not_add_up_while_a_payer_is_held(pay_for: Make, stage: Stage) -> None:
    stage.registry.refused.add(USER)
    purchase = pay_for("TX-1")
    stage.step()
    for _ in range(10):
        stage.registry.down = True
        stage.step(seconds=61)
        stage.registry.down = False
        stage.step(seconds=61)
    assert (fresh(purchase).attempts, letters()) == (0, [])


@pytest.mark.parametrize("mode", ["DEGRADED_MODE", "READ_ONLY", "MAINTENANCE_MODE"])
def test_a_mode_holds_the_flow_back_without_costing_attempts(
    pay_for: Make, stage: Stage, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    purchase = pay_for("TX-1")
    monkeypatch.setenv(mode, "1")
    for _ in range(20):
        assert stage.step(seconds=1) == 0
    found = fresh(purchase)
    assert (found.state, found.attempts, stage.registry.asked, letters()) == ("paid", 0, 0, [])
    monkeypatch.delenv(mode)
    stage.step(seconds=1)
    assert fresh(purchase).state == "cleared"


def test_a_mode_holds_back_what_is_cleared_too(pay_for: Make, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    lane(stage.clock)
    purchase = pay_for("TX-1")
    clear_only(stage, monkeypatch)
    monkeypatch.setenv("DEGRADED_MODE", "1")
    for _ in range(10):
        stage.step(seconds=1)
    assert (fresh(purchase).state, fresh(purchase).attempts, SlotIntent.objects.count()) == ("cleared", 0, 0)


# -- expiry ------------------------------------------------------------------------------------------------------


def test_an_unpaid_purchase_expires_in_time_and_gives_its_daily_limit_back(make_purchase: Make, stage: Stage) -> None:
    purchase = make_purchase("TX-1", now=stage.clock.now())
    assert DailyUsage.objects.get().total == 10 * TOKEN
    stage.step(seconds=86_399)
    assert fresh(purchase).state == "awaiting_payment"
    stage.step(seconds=1)
    assert (fresh(purchase).state, fresh(purchase).reason) == ("expired", "not paid in time")
    assert DailyUsage.objects.get().total == 0


def test_a_paid_purchase_does_not_expire(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1")
    stage.step(days=2)
    assert fresh(purchase).state == "cleared"
    assert DailyUsage.objects.get().total == 10 * TOKEN


# -- reserving ---------------------------------------------------------------------------------------------------


def test_a_cleared_order_takes_a_nonce_and_is_submitting(pay_for: Make, stage: Stage) -> None:
    lane(stage.clock)
    purchase = pay_for("TX-1")
    stage.settle()
    found = fresh(purchase)
    assert (found.state, found.due_at) == ("submitting", None)
    assert SlotIntent.objects.get().intent_id == purchase.intent_id
    acts.require_clean_books()


def test_what_finds_no_free_slot_waits_for_one(pay_for: Make, stage: Stage, configure: Any) -> None:
    acts.set_profile(configure, "evm", in_flight=1, batch_size=1)
    lane(stage.clock)
    first, second = pay_for("TX-1"), pay_for("TX-2")
    stage.settle()
    assert sorted([fresh(first).state, fresh(second).state]) == ["cleared", "submitting"]
    waiting = Purchase.objects.get(state="cleared")
    for _ in range(5):
        stage.step(seconds=1)
    assert (fresh(waiting).attempts, fresh(waiting).fence) == (0, waiting.fence)
    place = SlotIntent.objects.get()
    place.slot.state = "final"
    place.slot.save()
    stage.step()
    assert fresh(waiting).state == "submitting"


def test_a_clearance_that_ran_out_is_asked_for_again(pay_for: Make, stage: Stage, monkeypatch: Any) -> None:
    lane(stage.clock)
    purchase = pay_for("TX-1")
    clear_only(stage, monkeypatch)
    assert fresh(purchase).state == "cleared"
    stage.registry.refused.add(USER)
    stage.step(seconds=301)
    stage.settle()
    assert (fresh(purchase).state, Decision.objects.count(), SlotIntent.objects.count()) == ("held", 2, 0)


def test_without_a_lane_the_order_ends_as_a_dead_letter_and_replay_sends_it(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1")
    for _ in range(30):
        stage.step(seconds=20)
    assert (fresh(purchase).state, letters()) == ("cleared", [("executeMint", purchase.intent_id)])
    lane(stage.clock)
    assert replay_item(item_id=the_letter(), actor="ops", now=stage.clock.now()).restarted
    stage.settle(6)
    assert fresh(purchase).state == "submitting"


def test_a_forged_clearance_does_not_sink_its_batch(
    pay_for: Make, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row whose seal was broken is never taken for a clearance; were it passed on, it alone would be refused."""
    from fiatrails.compliance import clearing

    lane(stage.clock)
    bad, good = pay_for("TX-1"), pay_for("TX-2")
    real = clearing.clearances

    def forge(intent_ids: Any, *, now: Any) -> dict[str, Clearance]:
        found = real(intent_ids, now=now)
        if bad.intent_id in found:
            found[bad.intent_id] = Clearance.issue(
                intent_id=bad.intent_id,
                recipient=OTHER,
                amount=10 * TOKEN,
                issued_at=now,
                expires_at=now + timedelta(days=1),
                policy="forged",
                key=b"another key",
            )
        return found

    monkeypatch.setattr(clearing, "clearances", forge)
    stage.settle()
    assert (fresh(bad).state, fresh(good).state) == ("cleared", "submitting")
    assert "clearance_forged" in fresh(bad).last_error
    assert list(SlotIntent.objects.values_list("intent_id", flat=True)) == [good.intent_id]


def test_an_edited_clearance_is_cleared_again_and_not_minted(pay_for: Make, stage: Stage, monkeypatch: Any) -> None:
    lane(stage.clock)
    purchase = pay_for("TX-1")
    clear_only(stage, monkeypatch)
    with acts.tampering() as cursor:
        cursor.execute("UPDATE compliance_decision SET amount = amount * 100, expires_at = expires_at + interval '1 d'")
    stage.registry.refused.add(USER)
    stage.step(seconds=1)
    stage.settle()
    assert (fresh(purchase).state, SlotIntent.objects.count()) == ("held", 0)


def test_a_worker_that_was_overtaken_writes_nothing(pay_for: Make, stage: Stage, monkeypatch: Any) -> None:
    """The chain takes longer than the lease: another worker clears the purchase, and the first one's answer is void."""
    purchase = pay_for("TX-1")
    ask = stage.registry.look_up

    def slow(subjects: Any, *, pool: Any) -> Any:
        monkeypatch.setattr("fiatrails.compliance.clearing.look_up", ask)
        stage.step(seconds=31)
        stage.registry.refused.add(USER)
        return ask(subjects, pool=pool)

    monkeypatch.setattr("fiatrails.compliance.clearing.look_up", slow)
    stage.step()
    assert timeline(purchase) == ["awaiting_payment", "paid", "cleared"]
    assert Decision.objects.filter(cleared=False).count() == 0


def test_an_overtaken_worker_writes_nothing_although_the_state_is_the_same(
    pay_for: Make, stage: Stage, monkeypatch: Any
) -> None:
    """The other worker had no answer and left the purchase paid: the fence alone tells that the first one is late."""
    purchase = pay_for("TX-1")
    ask = stage.registry.look_up

    def slow(subjects: Any, *, pool: Any) -> Any:
        answer = ask(subjects, pool=pool)
        monkeypatch.setattr("fiatrails.compliance.clearing.look_up", ask)
        stage.registry.down = True
        stage.step(seconds=31)
        return answer

    monkeypatch.setattr("fiatrails.compliance.clearing.look_up", slow)
    stage.step()
    assert timeline(purchase) == ["awaiting_payment", "paid"]
    assert not Decision.objects.exists()
