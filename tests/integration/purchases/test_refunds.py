"""Giving money back: by policy, by an operator, through the provider or beside it. And what may not be given back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from fiatrails.controls.models import AuditRecord
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.errors import Conflict, NotFound, Unprocessable
from fiatrails.ledger.models import Entry
from fiatrails.ledger.verify import equation
from fiatrails.operations.replay import replay_item
from fiatrails.providers.core.models import Payment, PaymentState, ProviderRequest, RequestState
from fiatrails.purchases import decisions
from fiatrails.purchases.models import DailyUsage, Purchase
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.payments.record import record_payments
from tests.integration.purchases import stage as acts
from tests.integration.purchases.conftest import TOKEN, USER, paid
from tests.integration.purchases.stage import Stage, fresh, letters, timeline

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]


def refund(purchase: Purchase, stage: Stage, *, reference: str = "") -> Purchase:
    return refunds.refund(
        intent_id=purchase.intent_id, actor="ops", reason="asked by phone", now=stage.clock.now(),
        external_reference=reference,
    )  # fmt: skip


def accept(purchase: Purchase, stage: Stage) -> Purchase:
    return decisions.accept(intent_id=purchase.intent_id, actor="ops", reason="agreed", now=stage.clock.now())


def cancel(purchase: Purchase, stage: Stage) -> Purchase:
    return decisions.cancel(intent_id=purchase.intent_id, actor="ops", reason="asked", now=stage.clock.now())


def answer(stage: Stage, state: RequestState, *, result: dict[str, str] | None = None, **which: Any) -> None:
    """What the provider says of the open reversals."""
    rows = ProviderRequest.objects.exclude(state__in=[RequestState.SUCCEEDED, RequestState.FAILED]).filter(**which)
    assert rows.update(state=state, settled_at=stage.clock.now(), due_at=None, result=result or {})
    stage.step(seconds=2)


# -- by policy ---------------------------------------------------------------------------------------------------


def test_the_policy_refunds_a_refused_payer_after_its_time_and_not_before(
    pay_for: Make, stage: Stage, configure: Any
) -> None:
    acts.set_profile(configure, "compliance", refund_non_compliant_after_s=600)
    stage.registry.refused.add(USER)
    purchase = pay_for("TX-1")
    stage.step()
    for _ in range(19):
        stage.step(seconds=30)
    stage.step(seconds=29)
    assert (fresh(purchase).state, ProviderRequest.objects.count()) == ("held", 0)
    stage.step(seconds=1)
    assert (fresh(purchase).state, fresh(purchase).reason) == ("refunding", "not compliant in time")
    request = ProviderRequest.objects.get()
    assert (request.kind, request.amount_minor, request.details["receipt"]) == ("refund", 1000, "RTX-1")
    acts.require_clean_books()

    answer(stage, RequestState.SUCCEEDED)
    found = fresh(purchase)
    assert (found.state, found.refunded_at, found.due_at) == ("refunded", stage.clock.now(), None)
    assert Payment.objects.get().state == PaymentState.REFUNDED
    assert (equation("KES").refunded, equation("KES").pending) == (1000, 0)
    assert DailyUsage.objects.get().total == 0
    assert timeline(purchase)[-3:] == ["held", "refunding", "refunded"]
    acts.require_clean_books()


def test_without_the_policy_a_refused_payer_stays_held_for_an_operator(pay_for: Make, stage: Stage) -> None:
    stage.registry.refused.add(USER)
    purchase = pay_for("TX-1")
    for _ in range(5):
        stage.step(days=30)
    assert (fresh(purchase).state, ProviderRequest.objects.count()) == ("held", 0)


def test_a_payer_who_completes_kyc_in_time_is_not_refunded(pay_for: Make, stage: Stage, configure: Any) -> None:
    acts.set_profile(configure, "compliance", refund_non_compliant_after_s=60)
    stage.registry.refused.add(USER)
    purchase = pay_for("TX-1")
    stage.step()
    stage.registry.refused.clear()
    stage.step(seconds=60)
    stage.step()
    assert (fresh(purchase).state, ProviderRequest.objects.count()) == ("cleared", 0)


def test_a_refused_reversal_holds_the_purchase_with_a_dead_letter_that_starts_it_again(
    pay_for: Make, stage: Stage
) -> None:
    purchase = pay_for("TX-1")
    refund(purchase, stage)
    stage.step(seconds=2)
    assert fresh(purchase).state == "refunding"
    answer(
        stage, RequestState.FAILED, result={"code": "R000002", "description": "The OriginalTransactionID is invalid."}
    )
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "refund_failed")
    refused = "the provider refused the reversal (R000002 The OriginalTransactionID is invalid.); refund again"
    assert fresh(purchase).reason.startswith(refused)
    assert letters() == [("refundPayment", purchase.intent_id)]
    letter = DeadLetter.objects.get()
    assert letter.last_error.startswith(refused)
    assert letter.payload == {"txRef": "TX-1", "state": "held", "expected": "10.00 KES", "paid": "10.00 KES"}
    acts.require_clean_books()

    item = f"DL-{DeadLetter.objects.get().pk:06d}"
    assert replay_item(item_id=item, actor="ops", now=stage.clock.now()).restarted
    assert fresh(purchase).state == "refunding"
    answer(stage, RequestState.SUCCEEDED)
    assert (fresh(purchase).state, ProviderRequest.objects.count(), equation("KES").refunded) == ("refunded", 2, 1000)
    acts.require_clean_books()


def test_a_refund_waits_for_every_payment_of_the_purchase(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1", kes=4, receipt="AAAA1")
    record_payments([paid("TX-1", 5, receipt="AAAA2")], now=stage.clock.now())
    refund(purchase, stage)
    first, second = ProviderRequest.objects.order_by("pk")
    answer(stage, RequestState.SUCCEEDED, pk=first.pk)
    assert (fresh(purchase).state, equation("KES").refunded) == ("refunding", 0)
    answer(stage, RequestState.SUCCEEDED, pk=second.pk)
    assert (fresh(purchase).state, equation("KES").refunded) == ("refunded", 900)
    acts.require_clean_books()


def test_what_went_back_in_part_cannot_be_accepted_for_the_whole(pay_for: Make, stage: Stage) -> None:
    """One of two payments was reversed: a mint of the full amount would give that money out twice."""
    purchase = pay_for("TX-1", kes=4, receipt="AAAA1")
    record_payments([paid("TX-1", 6, receipt="AAAA2")], now=stage.clock.now())
    refund(purchase, stage)
    first, second = ProviderRequest.objects.order_by("pk")
    answer(stage, RequestState.SUCCEEDED, pk=first.pk)
    answer(stage, RequestState.FAILED, pk=second.pk)
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "refund_failed")
    with pytest.raises(Conflict, match="partly_refunded"):
        accept(purchase, stage)
    refund(purchase, stage)
    assert list(ProviderRequest.objects.filter(payment=first.payment)) == [first]
    answer(stage, RequestState.SUCCEEDED)
    assert (fresh(purchase).state, equation("KES").refunded) == ("refunded", 1000)
    acts.require_clean_books()


# -- by an operator ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["live", "executed"])
def test_nothing_is_refunded_while_a_slot_may_mint_it(pay_for: Make, stage: Stage, state: str) -> None:
    purchase = pay_for("TX-1")
    acts.occupy_slot(purchase, stage.clock, state=state)
    for reference in ("", "bank-17"):
        with pytest.raises(Conflict, match="mint_in_flight"):
            refund(purchase, stage, reference=reference)
    assert (fresh(purchase).state, ProviderRequest.objects.count(), AuditRecord.objects.count()) == ("paid", 0, 0)


def test_a_slot_that_was_released_forbids_no_refund(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1")
    acts.occupy_slot(purchase, stage.clock, state="released")
    refund(purchase, stage)
    assert fresh(purchase).state == "refunding"


@pytest.mark.parametrize("state", ["awaiting_payment", "cleared", "submitting", "mined", "executed", "refunded"])
def test_only_what_is_paid_or_held_can_be_refunded(pay_for: Make, stage: Stage, state: str) -> None:
    purchase = pay_for("TX-1")
    Purchase.objects.filter(pk=purchase.pk).update(state=state)
    for reference in ("", "bank-17"):
        with pytest.raises(Conflict, match="not_refundable"):
            refund(purchase, stage, reference=reference)


def test_money_paid_back_elsewhere_is_recorded_at_once(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1", kes=9)
    refund(purchase, stage, reference="bank-17")
    assert (fresh(purchase).state, equation("KES").refunded, ProviderRequest.objects.count()) == ("refunded", 900, 0)
    record = AuditRecord.objects.get()
    assert (record.actor, record.action, record.details["externalReference"]) == ("ops", "intent.refund", "bank-17")
    assert "bank-17" in fresh(purchase).reason
    acts.require_clean_books()


def test_while_the_provider_may_still_pay_it_back_nobody_else_does(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1")
    refund(purchase, stage)
    for state in (RequestState.UNKNOWN, RequestState.ACCEPTED):
        ProviderRequest.objects.update(state=state)
        with pytest.raises(Conflict, match="not_refundable"):
            refund(purchase, stage, reference="bank-17")
    answer(stage, RequestState.FAILED)
    refund(purchase, stage, reference="bank-17")
    assert (fresh(purchase).state, equation("KES").refunded) == ("refunded", 1000)


def test_a_payment_without_a_receipt_is_refunded_by_hand_only(make_purchase: Make, stage: Stage) -> None:
    purchase = make_purchase("TX-1", now=stage.clock.now())
    record_payments([paid("TX-1", 10)], now=stage.clock.now())
    with pytest.raises(Unprocessable, match="no_receipt"):
        refund(purchase, stage)
    assert (fresh(purchase).state, ProviderRequest.objects.count()) == ("paid", 0)
    refund(purchase, stage, reference="bank-17")
    assert fresh(purchase).state == "refunded"


@pytest.mark.parametrize("reference", ["", "bank-17"])
def test_of_many_operators_on_the_refund_one_wins(pay_for: Make, stage: Stage, reference: str) -> None:
    purchase = pay_for("TX-1")

    def press(_: int) -> bool:
        try:
            refund(purchase, stage, reference=reference)
        except Conflict:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(press, range(10))) == 1
    assert ProviderRequest.objects.count() == (0 if reference else 1)
    assert equation("KES").refunded == (1000 if reference else 0)
    acts.require_clean_books()


def test_an_unknown_purchase_is_not_found(stage: Stage) -> None:
    for act in (refund, accept, cancel):
        with pytest.raises(NotFound, match="intent_not_found"):
            act(Purchase(intent_id="0x" + "99" * 32), stage)


# -- accepting and cancelling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kes", [9, 11])
def test_an_accepted_amount_that_is_refunded_after_all_goes_back_as_it_came(
    pay_for: Make, stage: Stage, kes: int
) -> None:
    """The payer gets back what was paid, and the settlement of the difference is undone with it."""
    stage.registry.refused.add(USER)
    purchase = pay_for("TX-1", kes=kes)
    accept(purchase, stage)
    stage.step()
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "not_compliant")
    acts.require_clean_books()
    refund(purchase, stage)
    answer(stage, RequestState.SUCCEEDED)
    books = equation("KES")
    assert (books.refunded, books.pending, books.suspense) == (kes * 100, 0, 0)
    acts.require_clean_books()


def test_a_difference_is_settled_once_however_often_it_is_accepted(pay_for: Make, stage: Stage) -> None:
    purchase = pay_for("TX-1", kes=11)
    accept(purchase, stage)
    with pytest.raises(Conflict, match="not_held"):
        accept(purchase, stage)
    assert (Entry.objects.filter(kind="adjustment").count(), equation("KES").pending) == (1, 1000)


def test_accepting_does_not_override_compliance(pay_for: Make, stage: Stage) -> None:
    stage.registry.refused.add(USER)
    purchase = pay_for("TX-1")
    stage.step()
    accept(purchase, stage)
    assert fresh(purchase).state == "paid"
    stage.step()
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "not_compliant")


@pytest.mark.parametrize("state", ["awaiting_payment", "paid", "submitting", "executed", "refunding", "expired"])
def test_only_a_held_purchase_can_be_accepted(pay_for: Make, stage: Stage, state: str) -> None:
    purchase = pay_for("TX-1")
    paid_minor = 0 if state == "expired" else 1000
    Purchase.objects.filter(pk=purchase.pk).update(state=state, fiat_paid=paid_minor)
    with pytest.raises(Conflict, match="not_held"):
        accept(purchase, stage)


def test_an_unpaid_purchase_can_be_cancelled_and_money_that_still_comes_is_held(
    make_purchase: Make, stage: Stage
) -> None:
    purchase = make_purchase("TX-1", now=stage.clock.now())
    cancel(purchase, stage)
    assert (fresh(purchase).state, DailyUsage.objects.get().total) == ("cancelled", 0)
    assert AuditRecord.objects.get().action == "intent.cancel"
    record_payments([paid("TX-1", 10)], now=stage.clock.now())
    assert (fresh(purchase).state, fresh(purchase).hold) == ("held", "late_payment")
    accept(purchase, stage)
    stage.step()
    assert fresh(purchase).state == "cleared"
    acts.require_clean_books()


@pytest.mark.parametrize("state", ["paid", "held", "cleared", "submitting", "mined", "executed", "refunding"])
def test_what_is_paid_cannot_be_cancelled(pay_for: Make, stage: Stage, state: str) -> None:
    purchase = pay_for("TX-1")
    Purchase.objects.filter(pk=purchase.pk).update(state=state)
    with pytest.raises(Conflict, match="wrong_state"):
        cancel(purchase, stage)
    assert DailyUsage.objects.get().total == 10 * TOKEN
