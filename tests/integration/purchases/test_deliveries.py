"""A purchase of several deliveries: each has its own order, the purchase is executed when all of them are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fiatrails.chains.core.chain import Outcome, OutcomeKind
from fiatrails.chains.evm.models import SlotIntent
from fiatrails.compliance.models import Decision
from fiatrails.kernel.errors import BadInput, Conflict
from fiatrails.kernel.money import Money
from fiatrails.ledger.balances import trial_balance
from fiatrails.ledger.models import Entry
from fiatrails.ledger.verify import equation
from fiatrails.purchases import decisions
from fiatrails.purchases.models import DailyUsage, Delivery, Purchase
from fiatrails.purchases.opening import NewDelivery, NewPurchase, create_purchase
from fiatrails.purchases.outcomes import collect_outcomes
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.payments.record import record_payments
from tests.integration.purchases import stage as acts
from tests.integration.purchases.conftest import TOKEN, USER, paid
from tests.integration.purchases.stage import Stage, fresh, lane, letters, set_profile, timeline

pytestmark = pytest.mark.django_db(transaction=True)
OTHER = "0x" + "b2" * 20
HASH = "0x" + "77" * 32
PRICE = Money("KES", 3000)
Tell = Callable[..., int]


def ordered(stage: Stage, *, tx_ref: str = "TX-2", price: Money | None = PRICE) -> Purchase:
    """Ten tokens for one wallet and twenty for another, at one price."""
    further = (NewDelivery(OTHER, 20 * TOKEN, "KES"),)
    request = NewPurchase(USER, 10 * TOKEN, "KES", tx_ref, price=price, further=further)
    return create_purchase(request=request, client="default", now=stage.clock.now())


@pytest.fixture
def bought(stage: Stage) -> Purchase:
    """Both deliveries are under way."""
    lane(stage.clock)
    purchase = ordered(stage)
    record_payments([paid("TX-2", 30, receipt="R2")], now=stage.clock.now())
    stage.settle()
    assert [part.state for part in fresh(purchase).parts] == ["submitting", "submitting"]
    return fresh(purchase)


@pytest.fixture
def tell(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Tell:
    def report(*outcomes: Outcome) -> int:
        monkeypatch.setattr("fiatrails.chains.evm.chain.EvmChain.collect", lambda *_, **__: list(outcomes))
        return collect_outcomes(now=stage.clock.now())

    return report


def news(delivery: Delivery, kind: OutcomeKind, *, code: str = "") -> Outcome:
    on_chain = kind in (OutcomeKind.MINED, OutcomeKind.EXECUTED)
    if kind is OutcomeKind.RELEASED:
        SlotIntent.objects.filter(intent_id=delivery.reference).update(state="released")
    return Outcome(delivery.reference, kind, HASH if on_chain else None, 5 if on_chain else None, code)


def test_each_delivery_is_cleared_and_ordered_under_its_own_reference(bought: Purchase) -> None:
    first, second = bought.parts
    assert (first.reference, bought.state) == (bought.intent_id, "submitting")
    assert first.reference != second.reference
    orders = SlotIntent.objects.values_list("intent_id", "user_address", "amount")
    assert sorted(orders) == sorted((p.reference, p.recipient, p.amount) for p in (first, second))
    assert set(Decision.objects.values_list("intent_id", "user")) == {
        (first.reference, USER),
        (second.reference, OTHER),
    }
    assert dict(DailyUsage.objects.values_list("user", "total")) == {USER: 10 * TOKEN, OTHER: 20 * TOKEN}
    acts.require_clean_books()


def test_a_purchase_is_executed_with_its_last_delivery(bought: Purchase, tell: Tell) -> None:
    first, second = bought.parts
    tell(news(first, OutcomeKind.MINED))
    assert fresh(bought).state == "submitting"
    tell(news(second, OutcomeKind.MINED))
    assert fresh(bought).state == "mined"
    tell(news(first, OutcomeKind.EXECUTED))
    assert (fresh(bought).state, Entry.objects.filter(kind="mint").count()) == ("mined", 0)
    acts.require_clean_books()
    tell(news(second, OutcomeKind.EXECUTED))
    assert fresh(bought).state == "executed"
    assert (equation("KES").minted, equation("KES").pending) == (3000, 0)
    assert {a.code: a.balance for a in trial_balance()}["token_supply:KES.token"] == -30 * TOKEN
    assert timeline(bought)[-1] == "executed"
    acts.require_clean_books()


def test_both_executed_in_one_batch_post_one_entry(bought: Purchase, tell: Tell) -> None:
    tell(*(news(part, OutcomeKind.EXECUTED) for part in bought.parts))
    assert (fresh(bought).state, Entry.objects.filter(kind="mint").count()) == ("executed", 1)
    acts.require_clean_books()


@pytest.mark.parametrize("refused_first", [True, False])
def test_one_refused_for_good_holds_the_purchase_and_nothing_is_refunded(
    bought: Purchase, tell: Tell, stage: Stage, refused_first: bool
) -> None:
    good, bad = bought.parts
    both = [news(good, OutcomeKind.EXECUTED), news(bad, OutcomeKind.RELEASED, code="over_per_mint_limit")]
    for outcome in reversed(both) if refused_first else both:
        tell(outcome)
    found = fresh(bought)
    assert (found.state, found.hold, [part.state for part in found.parts]) == (
        "held",
        "chain_refused",
        ["executed", "waiting"],
    )
    assert letters() == []
    SlotIntent.objects.filter(intent_id=good.reference).update(state="executed")
    for reference in ("", "bank-17"):
        with pytest.raises(Conflict, match="may mint"):
            refunds.refund(
                intent_id=bought.intent_id,
                actor="ops",
                reason="asked",
                now=stage.clock.now(),
                external_reference=reference,
            )
    acts.require_clean_books()


def test_a_refund_waits_for_a_delivery_that_is_under_way(bought: Purchase, tell: Tell, stage: Stage) -> None:
    going, bad = bought.parts
    tell(news(bad, OutcomeKind.RELEASED, code="token_refused"))
    assert (fresh(bought).state, fresh(bought).parts[0].state) == ("held", "submitting")
    with pytest.raises(Conflict, match="may mint"):
        refunds.refund(intent_id=bought.intent_id, actor="ops", reason="asked", now=stage.clock.now())
    tell(news(going, OutcomeKind.RELEASED, code="token_refused"))
    assert (fresh(bought).state, fresh(bought).due_at) == ("held", None)
    refund = refunds.refund(
        intent_id=bought.intent_id, actor="ops", reason="asked", now=stage.clock.now(), external_reference="bank-17"
    )
    assert refund.state == "refunded"
    assert set(DailyUsage.objects.values_list("total", flat=True)) == {0}
    acts.require_clean_books()


def test_accepting_orders_only_what_was_not_delivered(bought: Purchase, tell: Tell, stage: Stage) -> None:
    good, bad = bought.parts
    tell(news(good, OutcomeKind.EXECUTED), news(bad, OutcomeKind.RELEASED, code="over_per_mint_limit"))
    SlotIntent.objects.filter(intent_id=good.reference).update(state="executed")
    decisions.accept(intent_id=bought.intent_id, actor="ops", reason="limit raised", now=stage.clock.now())
    stage.settle()
    assert [part.state for part in fresh(bought).parts] == ["executed", "submitting"]
    assert list(SlotIntent.objects.filter(state="live").values_list("intent_id", flat=True)) == [bad.reference]
    tell(news(bad, OutcomeKind.EXECUTED))
    assert (fresh(bought).state, equation("KES").minted) == ("executed", 3000)
    acts.require_clean_books()


def test_two_that_may_pass_are_ordered_again_together(bought: Purchase, tell: Tell, stage: Stage) -> None:
    for part in bought.parts:
        tell(news(part, OutcomeKind.RELEASED, code="rate_limited"))
    assert (fresh(bought).state, [part.releases for part in fresh(bought).parts]) == ("paid", [1, 1])
    stage.step(minutes=1)
    stage.settle()
    assert (fresh(bought).state, SlotIntent.objects.filter(state="live").count()) == ("submitting", 2)


def test_one_recipient_who_is_not_compliant_holds_all(stage: Stage) -> None:
    lane(stage.clock)
    purchase = ordered(stage)
    stage.registry.refused.add(OTHER)
    record_payments([paid("TX-2", 30, receipt="R2")], now=stage.clock.now())
    stage.settle()
    assert (fresh(purchase).state, fresh(purchase).hold, SlotIntent.objects.count()) == ("held", "not_compliant", 0)
    acts.require_clean_books()


def test_a_purchase_stays_cleared_until_the_chain_has_all_of_it(stage: Stage, configure: object) -> None:
    set_profile(configure, "evm", in_flight=1, batch_size=1)
    lane(stage.clock)
    purchase = ordered(stage)
    record_payments([paid("TX-2", 30, receipt="R2")], now=stage.clock.now())
    stage.settle()
    assert (fresh(purchase).state, [part.state for part in fresh(purchase).parts]) == (
        "cleared",
        ["submitting", "waiting"],
    )
    with pytest.raises(Conflict):
        refunds.refund(intent_id=purchase.intent_id, actor="ops", reason="asked", now=stage.clock.now())
    acts.require_clean_books()


def test_several_deliveries_need_a_price(stage: Stage) -> None:
    with pytest.raises(BadInput, match="price"):
        ordered(stage, price=None)


def test_what_one_order_released_does_not_stop_the_other(bought: Purchase, tell: Tell) -> None:
    """The purchase is paid again for the second; the first is executed meanwhile, and that is no surprise."""
    first, second = bought.parts
    tell(news(second, OutcomeKind.RELEASED, code="rate_limited"))
    assert fresh(bought).state == "paid"
    tell(news(first, OutcomeKind.EXECUTED))
    assert ([part.state for part in fresh(bought).parts], letters()) == (["executed", "waiting"], [])
    acts.require_clean_books()
