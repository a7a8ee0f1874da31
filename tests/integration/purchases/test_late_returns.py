"""Reversals that succeed late: paid back and minted, or paid back twice, never without a person hearing of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fiatrails.chains.core.chain import Outcome, OutcomeKind
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.errors import Conflict
from fiatrails.ledger.verify import equation
from fiatrails.providers.core.models import ProviderRequest, RequestState
from fiatrails.purchases import decisions
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.outcomes import collect_outcomes
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.payments.late_returns import settle_late
from fiatrails.purchases.payments.record import record_payments
from tests.integration.purchases import stage as acts
from tests.integration.purchases.conftest import paid
from tests.integration.purchases.stage import Stage, fresh, lane, letters

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]
HASH = "0x" + "77" * 32


def refund(purchase: Purchase, stage: Stage, *, reference: str = "") -> None:
    now = stage.clock.now()
    refunds.refund(intent_id=purchase.intent_id, actor="ops", reason="asked", now=now, external_reference=reference)


def answer(stage: Stage, state: RequestState, **which: Any) -> None:
    """What the provider says of reversals, late or not; then the worker passes."""
    stage.clock.advance(seconds=1)
    assert ProviderRequest.objects.filter(**which).update(state=state, settled_at=stage.clock.now(), noted_at=None)
    stage.step(seconds=2)


def late(stage: Stage, **which: Any) -> int:
    """The reversal that was refused is reported as done after all, and the worker takes note."""
    answer(stage, RequestState.SUCCEEDED, **which)
    return settle_late(now=stage.clock.now())


@pytest.fixture
def refused(pay_for: Make, stage: Stage) -> Purchase:
    """A purchase whose reversal the provider refused: held for a decision."""
    lane(stage.clock)
    purchase = pay_for("TX-1")
    refund(purchase, stage)
    answer(stage, RequestState.FAILED)
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "refund_failed")
    return purchase


def accept(purchase: Purchase, stage: Stage) -> None:
    decisions.accept(intent_id=purchase.intent_id, actor="ops", reason="agreed", now=stage.clock.now())


def execute(purchase: Purchase, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is submitted and settled on chain."""
    stage.settle()
    outcome = Outcome(purchase.intent_id, OutcomeKind.EXECUTED, HASH, 5, "")
    monkeypatch.setattr("fiatrails.chains.evm.chain.EvmChain.collect", lambda *_, **__: [outcome])
    collect_outcomes(now=stage.clock.now())
    assert fresh(purchase).state == "executed"


def test_a_held_purchase_whose_money_went_back_after_all_is_refunded(refused: Purchase, stage: Stage) -> None:
    assert late(stage) == 1
    assert (fresh(refused).state, equation("KES").refunded, letters()) == ("refunded", 1000, [])
    assert settle_late(now=stage.clock.now()) == 0
    acts.require_clean_books()


def test_an_accepted_purchase_that_is_not_minted_yet_is_refunded(refused: Purchase, stage: Stage) -> None:
    accept(refused, stage)
    answer(stage, RequestState.SUCCEEDED)
    # Clearing noticed it before anybody took note of the reversal.
    assert (fresh(refused).state, fresh(refused).hold) == ("held", "refund_failed")
    assert settle_late(now=stage.clock.now()) == 1
    assert (fresh(refused).state, equation("KES").refunded, equation("KES").minted) == ("refunded", 1000, 0)
    stage.settle()
    assert fresh(refused).state == "refunded"
    acts.require_clean_books()


def test_money_that_went_back_after_the_mint_is_told_and_booked_as_a_loss(
    refused: Purchase, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(refused, stage)
    execute(refused, stage, monkeypatch)
    assert late(stage) == 1
    letter = DeadLetter.objects.get(operation="reversedAfterDecision", state="open")
    assert "the intent is minted: recover 10.00 KES" in letter.last_error
    books = equation("KES")
    assert (books.paid, books.minted, books.refunded, books.adjusted) == (1000, 1000, 1000, 1000)
    assert settle_late(now=stage.clock.now()) == 0
    acts.require_clean_books()


def test_money_that_went_back_while_the_mint_is_on_its_way_is_told_at_once(
    refused: Purchase, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(refused, stage)
    stage.settle()
    assert fresh(refused).state == "submitting"
    assert late(stage) == 0
    letter = DeadLetter.objects.get(operation="reversedAfterDecision", state="open")
    assert "may be minted without its money" in letter.last_error
    assert equation("KES").refunded == 0
    execute(refused, stage, monkeypatch)
    assert settle_late(now=stage.clock.now()) == 1
    assert equation("KES").refunded == 1000
    acts.require_clean_books()


def test_a_reversal_that_succeeds_after_it_was_paid_back_elsewhere_is_told(refused: Purchase, stage: Stage) -> None:
    refund(refused, stage, reference="bank-17")
    assert fresh(refused).state == "refunded"
    assert late(stage) == 1
    letter = DeadLetter.objects.get(operation="reversedAfterDecision", state="open")
    assert "paid back by other means before" in letter.last_error
    assert equation("KES").refunded == 1000
    acts.require_clean_books()


def test_what_the_provider_sent_back_after_all_is_not_paid_back_elsewhere_too(refused: Purchase, stage: Stage) -> None:
    ProviderRequest.objects.update(state=RequestState.SUCCEEDED, settled_at=stage.clock.now())
    with pytest.raises(Conflict, match="already_returned"):
        refund(refused, stage, reference="bank-17")
    assert settle_late(now=stage.clock.now()) == 1
    assert fresh(refused).state == "refunded"
    acts.require_clean_books()


def test_an_ordinary_refund_is_no_late_one(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1")
    refund(purchase, stage)
    answer(stage, RequestState.SUCCEEDED)
    assert fresh(purchase).state == "refunded"
    assert settle_late(now=stage.clock.now()) == 0
    assert letters() == []


def test_a_part_that_went_back_late_is_told_and_the_rest_is_refunded(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1", kes=4, receipt="AAAA1")
    record_payments([paid("TX-1", 6, receipt="AAAA2")], now=stage.clock.now())
    refund(purchase, stage)
    answer(stage, RequestState.FAILED)
    first, second = ProviderRequest.objects.order_by("pk")
    assert late(stage, pk=first.pk) == 1
    assert "refund the rest" in DeadLetter.objects.get(operation="reversedAfterDecision").last_error
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "refund_failed")
    refund(purchase, stage)
    answer(stage, RequestState.SUCCEEDED, payment=second.payment, settled_at=None)
    assert (fresh(purchase).state, equation("KES").refunded) == ("refunded", 1000)
    acts.require_clean_books()


def test_a_part_that_went_back_late_does_not_end_the_hold_of_a_listed_payer(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1", kes=4, receipt="AAAA1")
    record_payments([paid("TX-1", 6, receipt="AAAA2")], now=stage.clock.now())
    refund(purchase, stage)
    answer(stage, RequestState.FAILED)
    Purchase.objects.filter(pk=purchase.pk).update(hold="sanctions")
    first = ProviderRequest.objects.earliest("pk")
    assert late(stage, pk=first.pk) == 1
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "sanctions")
    with pytest.raises(Conflict, match="sanctions_hold"):
        refund(purchase, stage)
