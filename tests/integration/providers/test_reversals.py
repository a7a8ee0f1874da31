"""Refunds through M-PESA: once, whatever is lost, and only a definite refusal is a failure."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction

from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.errors import Conflict
from fiatrails.ledger.verify import equation
from fiatrails.providers.core.models import Payment, ProviderRequest, RequestState
from fiatrails.providers.core.requests import open_refund
from fiatrails.providers.mpesa.callbacks import Result
from fiatrails.providers.mpesa.requests import drive_due, retry_request, settle_result
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.store import persist
from tests.integration.providers.conftest import Rail

Make = Callable[..., Purchase]
REVERSAL_PATH = "/mpesa/reversal/v1/request"


@pytest.fixture
def paid(rail: Rail, make_purchase: Make) -> Purchase:
    purchase = make_purchase(f"TX-{rail.run}", now=rail.clock.now())
    rail.pay_bill(purchase.tx_ref)
    rail.wait_for(1)
    rail.run_until(lambda: Purchase.objects.get(pk=purchase.pk).state == "paid")
    return purchase


def start(rail: Rail, purchase: Purchase) -> ProviderRequest:
    refunds.refund(intent_id=purchase.intent_id, actor="ops", reason="asked to", now=rail.clock.now())
    return ProviderRequest.objects.get(kind="refund", state="created")


def follow(purchase: Purchase, rail: Rail) -> str:
    """What the worker's refund queue does."""
    with transaction.atomic():
        row = Purchase.objects.select_for_update().get(pk=purchase.pk)
        if row.state == "refunding":
            step = refunds.follow(row, now=rail.clock.now())
            persist([row], [step] if step else [], now=rail.clock.now())
    return Purchase.objects.get(pk=purchase.pk).state


def returned(rail: Rail, purchase: Purchase) -> int:
    return len(rail.book(reference=purchase.tx_ref)["reversals"])


def refunded(rail: Rail, purchase: Purchase) -> None:
    rail.run_until(lambda: follow(purchase, rail) == "refunded")
    rail.settle(4)
    assert returned(rail, purchase) == 1
    assert (equation("KES").refunded, equation("KES").pending) == (1000, 0)


def test_a_refund_returns_the_money(rail: Rail, paid: Purchase) -> None:
    start(rail, paid)
    refunded(rail, paid)


def test_a_lost_reply_does_not_reverse_twice(rail: Rail, paid: Purchase) -> None:
    rail.control("faults", replyLostNext=1, paths=[REVERSAL_PATH], loseNext=1, kinds=["result"])
    request = start(rail, paid)
    drive_due(tools=rail.tools)
    request.refresh_from_db()
    assert request.state == RequestState.UNKNOWN
    refunded(rail, paid)
    request.refresh_from_db()
    assert request.details["sends"] == 1


def test_a_result_without_its_acknowledgement_settles(rail: Rail, paid: Purchase) -> None:
    rail.control("faults", replyLostNext=1, paths=[REVERSAL_PATH])
    start(rail, paid)
    refunded(rail, paid)


def test_a_request_that_never_arrived_is_sent_again_after_the_receipt_was_looked_at(
    rail: Rail, paid: Purchase, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fiatrails.providers.mpesa.answers import Unknown

    request = start(rail, paid)
    with monkeypatch.context() as patch:
        patch.setattr(rail.client, "reversal", lambda **_: Unknown("cut before it arrived"), raising=False)
        drive_due(tools=rail.tools)
    refunded(rail, paid)
    request.refresh_from_db()
    assert request.details["sends"] == 2
    assert ProviderRequest.objects.filter(details__purpose=f"probe-{request.pk}").count() >= 1


def test_a_queue_timeout_is_not_a_failure(rail: Rail, paid: Purchase) -> None:
    rail.control("faults", queueTimeoutNext=1)
    start(rail, paid)
    refunded(rail, paid)


def test_a_lost_result_is_asked_about(rail: Rail, paid: Purchase) -> None:
    rail.control("faults", loseNext=1, kinds=["result"])
    start(rail, paid)
    refunded(rail, paid)


def test_a_busy_provider_is_asked_again(rail: Rail, paid: Purchase) -> None:
    rail.control("faults", failResultNext=1, failResultCode="26")
    start(rail, paid)
    refunded(rail, paid)


def test_a_refused_reversal_holds_the_purchase_and_may_be_tried_again(rail: Rail, paid: Purchase) -> None:
    rail.control("faults", failResultNext=1, failResultCode="2001")
    start(rail, paid)
    rail.run_until(lambda: follow(paid, rail) == "held")
    assert (Purchase.objects.get(pk=paid.pk).hold, returned(rail, paid)) == ("refund_failed", 0)
    start(rail, paid)
    refunded(rail, paid)


def test_an_unknown_refusal_is_believed_only_after_looking(rail: Rail, paid: Purchase) -> None:
    rail.control("faults", failResultNext=1, failResultCode="7777")
    request = start(rail, paid)
    rail.run_until(lambda: follow(paid, rail) == "held")
    assert ProviderRequest.objects.filter(details__purpose=f"probe-{request.pk}").count() == 1


def test_a_payment_reversed_by_others_is_found_reversed(rail: Rail, paid: Purchase) -> None:
    """R000001: already reversed. The money went back, so the refund is done."""
    event = Payment.objects.get()
    from fiatrails.kernel.money import Money

    rail.client.reversal(receipt=str(event.receipt), amount=Money("KES", 1000), reference="elsewhere")
    start(rail, paid)
    refunded(rail, paid)


def test_a_reversal_thought_refused_that_succeeds_late_is_noted(rail: Rail, paid: Purchase) -> None:
    rail.control("faults", failResultNext=1, failResultCode="2001")
    request = start(rail, paid)
    rail.run_until(lambda: follow(paid, rail) == "held")
    late = Result("0", "done", "", "", "", {})
    assert settle_result(reference=request.reference, parsed=late, now=rail.clock.now())
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED


def test_a_provider_that_cannot_be_reached_ends_as_a_dead_letter_and_a_replay_refunds(
    rail: Rail, paid: Purchase
) -> None:
    rail.control("faults", spikeArrestRate=1.0, paths=[REVERSAL_PATH])
    request = start(rail, paid)
    rail.run_until(DeadLetter.objects.exists)
    letter = DeadLetter.objects.get()
    assert (letter.operation, letter.payload["requestId"]) == ("mpesa:reversal", request.pk)
    assert request.reference not in str(letter.payload)
    rail.control("faults", spikeArrestRate=0.0)
    retry_request(request_id=request.pk, now=rail.clock.now())
    refunded(rail, paid)


def test_one_reversal_per_receipt_is_live(rail: Rail, paid: Purchase) -> None:
    start(rail, paid)
    event = Payment.objects.get()
    with pytest.raises(Conflict, match="reversal_live"), transaction.atomic():
        open_refund(event=event, reason="again", now=rail.clock.now())
    first = ProviderRequest.objects.get(kind="refund")
    first.pk, first.reference, first.dedupe_key = None, "other", "other"
    with pytest.raises(IntegrityError), transaction.atomic():
        first.save(force_insert=True)
