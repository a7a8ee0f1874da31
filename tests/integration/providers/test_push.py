"""STK pushes: one payment is counted once, whatever reports it, in whatever order, or does not report it at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.errors import BadInput, Conflict
from fiatrails.ledger.verify import equation
from fiatrails.providers.core.models import Payment, PaymentState, ProviderRequest, RequestState
from fiatrails.providers.mpesa import charging
from fiatrails.providers.mpesa.requests import drive_due
from fiatrails.purchases.models import Purchase, Transition
from fiatrails.purchases.payments import charges
from tests.integration.providers.conftest import Rail

Make = Callable[..., Purchase]


@pytest.fixture
def purchase(make_purchase: Make, rail: Rail) -> Purchase:
    return make_purchase(f"TX-{rail.run}", now=rail.clock.now())


def state_of(purchase: Purchase) -> str:
    return Purchase.objects.get(pk=purchase.pk).state


def paid_once(purchase: Purchase) -> None:
    stored = Purchase.objects.get(pk=purchase.pk)
    assert (stored.state, stored.fiat_paid) == ("paid", 1000)
    assert (equation("KES").paid, equation("KES").pending, equation("KES").suspense) == (1000, 1000, 0)
    assert Payment.objects.filter(state=PaymentState.APPLIED, credits=True).count() == 1


def callback_of(rail: Rail, checkout_id: str) -> dict[str, Any]:
    for received in rail.wait_for(1, path="/stk"):
        callback = received.json["Body"]["stkCallback"]
        if callback["CheckoutRequestID"] == checkout_id:
            return dict(received.json)
    raise AssertionError(checkout_id)


def forged(checkout_id: str, receipt: str, amount: float = 10) -> dict[str, Any]:
    items = [
        {"Name": "Amount", "Value": amount},
        {"Name": "MpesaReceiptNumber", "Value": receipt},
        {"Name": "Balance"},
        {"Name": "PhoneNumber", "Value": 254700000000},
    ]
    callback = {
        "MerchantRequestID": "m-1",
        "CheckoutRequestID": checkout_id,
        "ResultCode": 0,
        "ResultDesc": "ok",
        "CallbackMetadata": {"Item": items},
    }
    return {"Body": {"stkCallback": callback}}


def test_a_paid_push_pays_the_purchase_once(rail: Rail, purchase: Purchase) -> None:
    push = rail.push(purchase)
    rail.run_until(lambda: state_of(purchase) == "paid")
    paid_once(purchase)
    push.refresh_from_db()
    assert (push.state, push.account_reference) == ("succeeded", charging.account_reference(purchase.intent_id, 1))
    event = Payment.objects.get(state=PaymentState.APPLIED)
    assert event.receipt == rail.book(reference=push.account_reference)["payments"][0]["receipt"]
    rail.settle()
    paid_once(purchase)
    details = list(
        Transition.objects.filter(intent_id=purchase.intent_id).order_by("id").values_list("detail", flat=True)
    )
    assert "asked 2547*****149 to pay (push 1)" in details
    assert "push 1 was paid" in details


@pytest.mark.parametrize(("behaviour", "code"), [("cancel", "1032"), ("timeout", "1037"), ("insufficient", "1")])
def test_a_push_that_nobody_pays_leaves_room_for_another(
    rail: Rail, purchase: Purchase, behaviour: str, code: str
) -> None:
    rail.control("stk", behaviour=behaviour)
    first = rail.push(purchase)
    with pytest.raises(Conflict, match="push_live"):
        rail.push(purchase)
    rail.run_until(lambda: ProviderRequest.objects.get(pk=first.pk).state == "failed")
    assert ProviderRequest.objects.get(pk=first.pk).result["code"] == code
    assert state_of(purchase) == "awaiting_payment"
    rail.settle(2)
    assert Transition.objects.filter(detail__startswith=f"push 1 ended unpaid: {code}").count() == 1
    rail.control("stk", behaviour="pay")
    second = rail.push(purchase)
    assert second.account_reference != first.account_reference
    rail.run_until(lambda: state_of(purchase) == "paid")
    paid_once(purchase)


def test_a_lost_callback_is_found_by_asking(rail: Rail, purchase: Purchase) -> None:
    rail.control("faults", loseNext=1)
    rail.push(purchase)
    rail.run_until(lambda: state_of(purchase) == "paid")
    paid_once(purchase)
    assert Payment.objects.get(state=PaymentState.APPLIED).receipt is None


def test_a_late_callback_names_the_receipt_of_a_payment_found_by_asking(rail: Rail, purchase: Purchase) -> None:
    push = rail.push(purchase)
    rail.run_until(lambda: state_of(purchase) == "paid", hand_on=False)
    assert Payment.objects.get(state=PaymentState.APPLIED).receipt is None
    rail.wait_for(1, path="/stk")
    rail.settle()
    paid_once(purchase)
    receipt = rail.book(reference=push.account_reference)["payments"][0]["receipt"]
    assert Payment.objects.get(state=PaymentState.APPLIED).receipt == receipt
    assert Payment.objects.get(event__channel="stk").state == PaymentState.DUPLICATE


def test_a_paybill_report_names_the_receipt_of_a_payment_found_by_asking(rail: Rail, purchase: Purchase) -> None:
    rail.control("faults", alsoAsC2b=True, loseNext=1)
    push = rail.push(purchase)
    rail.run_until(lambda: state_of(purchase) == "paid", hand_on=False)
    rail.wait_for(1, path="/c2b/confirmation")
    rail.settle()
    paid_once(purchase)
    receipt = rail.book(reference=push.account_reference)["payments"][0]["receipt"]
    assert Payment.objects.get(state=PaymentState.APPLIED).receipt == receipt
    assert Payment.objects.get(event__channel="c2b").state == PaymentState.DUPLICATE


@pytest.mark.parametrize("c2b_first", [True, False])
def test_callback_and_paybill_report_of_one_payment_count_once(rail: Rail, purchase: Purchase, c2b_first: bool) -> None:
    rail.control("faults", alsoAsC2b=True)
    rail.push(purchase)
    drive_due(tools=rail.tools)
    both = rail.wait_for(2)
    for received in sorted(both, key=lambda r: ("/c2b/" in r.path) != c2b_first):
        rail.hand_on(received)
        # Every delivery comes several times, and is worked on before the next one.
        rail.hand_on(received)
        rail.settle(4)
    for received in both:
        rail.hand_on(received)
    rail.settle()
    paid_once(purchase)
    assert sorted(Payment.objects.values_list("state", flat=True)) == [PaymentState.APPLIED, PaymentState.DUPLICATE]


def test_a_paybill_report_before_the_poll_finds_the_push_counts_once(rail: Rail, purchase: Purchase) -> None:
    """The callback is lost: the report is credited first, then the query says paid."""
    rail.control("faults", alsoAsC2b=True, kinds=["stk"], loseNext=1)
    rail.push(purchase)
    drive_due(tools=rail.tools)
    rail.wait_for(1, path="/c2b/confirmation")
    rail.run_until(lambda: state_of(purchase) == "paid")
    rail.settle(20)
    paid_once(purchase)
    assert ProviderRequest.objects.get(kind="charge").state == "succeeded"
    assert Payment.objects.get().channel == "c2b"


def test_a_lost_reply_to_the_push_is_not_sent_again_and_the_callback_finds_it(rail: Rail, purchase: Purchase) -> None:
    rail.control("faults", replyLostNext=1, paths=["/mpesa/stkpush/v1/processrequest"])
    push = rail.push(purchase)
    drive_due(tools=rail.tools)
    push.refresh_from_db()
    assert (push.state, push.provider_id) == (RequestState.UNKNOWN, "")
    rail.run_until(lambda: state_of(purchase) == "paid")
    paid_once(purchase)
    assert len(rail.book(reference=push.account_reference)["payments"]) == 1


def test_a_push_whose_reply_and_callback_are_lost_runs_out_and_is_still_counted_later(
    rail: Rail, purchase: Purchase
) -> None:
    rail.control("faults", replyLostNext=1, paths=["/mpesa/stkpush/v1/processrequest"])
    push = rail.push(purchase)
    drive_due(tools=rail.tools)
    [callback] = rail.wait_for(1, path="/stk")
    rail.clock.advance(minutes=4)
    rail.work()
    push.refresh_from_db()
    assert (push.state, push.result["code"]) == ("failed", "ran_out")
    rail.hand_on(callback)
    rail.run_until(lambda: state_of(purchase) == "paid", hand_on=False)
    paid_once(purchase)
    push.refresh_from_db()
    assert push.state == "succeeded"


def test_a_push_whose_reply_and_callback_are_lost_is_found_by_the_paybill_report(
    rail: Rail, purchase: Purchase
) -> None:
    rail.control("faults", alsoAsC2b=True, loseNext=1, kinds=["stk"])
    rail.control("faults", replyLostNext=1, paths=["/mpesa/stkpush/v1/processrequest"])
    push = rail.push(purchase)
    drive_due(tools=rail.tools)
    rail.wait_for(1, path="/c2b/confirmation")
    rail.run_until(lambda: state_of(purchase) == "paid")
    rail.clock.advance(minutes=4)
    rail.settle(3)
    paid_once(purchase)
    push.refresh_from_db()
    assert push.state == "succeeded"


def test_a_worker_that_died_after_the_bytes_left_does_not_send_them_again(
    rail: Rail, purchase: Purchase, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = rail.push(purchase)

    class Died(BaseException):
        pass

    def send_and_die(**fields: Any) -> None:
        type(rail.client).stk_push(rail.client, **fields)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(rail.client, "stk_push", send_and_die, raising=False)
        with pytest.raises(Died):
            drive_due(tools=rail.tools)
    push.refresh_from_db()
    assert push.state == RequestState.UNKNOWN
    rail.clock.advance(seconds=40)
    rail.run_until(lambda: state_of(purchase) == "paid")
    assert len([p for p in rail.book()["pushes"] if p["reference"] == push.account_reference]) == 1


def test_a_worker_that_lost_its_lease_while_sending_writes_nothing(
    rail: Rail, purchase: Purchase, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = rail.push(purchase)

    def send_slowly(**fields: Any) -> Any:
        answer = type(rail.client).stk_push(rail.client, **fields)
        rail.clock.advance(seconds=60)
        patch.undo()
        assert drive_due(tools=rail.tools) == 1
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(rail.client, "stk_push", send_slowly, raising=False)
        drive_due(tools=rail.tools)
    push.refresh_from_db()
    assert (push.state, push.provider_id) == (RequestState.UNKNOWN, "")
    rail.run_until(lambda: state_of(purchase) == "paid")
    assert len([p for p in rail.book()["pushes"] if p["reference"] == push.account_reference]) == 1


def test_many_workers_send_a_push_once(rail: Rail, purchase: Purchase) -> None:
    push = rail.push(purchase)

    def work(_: int) -> int:
        try:
            return drive_due(tools=rail.tools)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(work, range(16))) == 1
    assert len([p for p in rail.book()["pushes"] if p["reference"] == push.account_reference]) == 1


def test_spike_arrest_is_tried_again_and_pushes_once(rail: Rail, purchase: Purchase) -> None:
    rail.control("faults", spikeArrestNext=2)
    push = rail.push(purchase)
    rail.run_until(lambda: state_of(purchase) == "paid")
    assert len([p for p in rail.book()["pushes"] if p["reference"] == push.account_reference]) == 1


def test_a_forged_callback_for_an_unpaid_push_credits_nothing(rail: Rail, purchase: Purchase) -> None:
    rail.control("stk", behaviour="never")
    push = rail.push(purchase)
    drive_due(tools=rail.tools)
    push.refresh_from_db()
    assert rail.post("stk", forged(push.provider_id, "FORGED0001")).status_code == 200
    rail.settle()
    rail.control("stk-answer", checkoutRequestId=push.provider_id, behaviour="cancel")
    rail.settle(60)
    assert state_of(purchase) == "awaiting_payment"
    assert equation("KES").paid == 0


def test_a_forged_callback_for_a_push_that_is_not_ours_ends_as_a_dead_letter(rail: Rail, purchase: Purchase) -> None:
    assert rail.post("stk", forged("ws_CO_unknown", "FORGED0002")).status_code == 200
    rail.settle()
    assert state_of(purchase) == "awaiting_payment"
    assert equation("KES").paid == 0
    assert DeadLetter.objects.get().operation == "confirmPayment"


def test_a_forged_failure_does_not_keep_the_true_payment_out(rail: Rail, purchase: Purchase) -> None:
    push = rail.push(purchase)
    drive_due(tools=rail.tools)
    push.refresh_from_db()
    callback = {"CheckoutRequestID": push.provider_id, "ResultCode": 1032, "ResultDesc": "no"}
    rail.post("stk", {"Body": {"stkCallback": callback}})
    rail.run_until(lambda: state_of(purchase) == "paid")
    paid_once(purchase)


def test_a_callback_with_another_amount_is_not_believed_but_the_payment_counts(rail: Rail, purchase: Purchase) -> None:
    push = rail.push(purchase)
    drive_due(tools=rail.tools)
    push.refresh_from_db()
    rail.wait_for(1, path="/stk")
    rail.handed_on = len(rail.arrived())
    rail.post("stk", forged(push.provider_id, "FORGED0003", amount=9999))
    rail.settle()
    paid_once(purchase)
    assert DeadLetter.objects.filter(operation="callbackConflict").count() == 1


@pytest.mark.parametrize("with_c2b", [True, False])
def test_a_forged_receipt_before_the_true_one_does_not_count_twice(
    rail: Rail, purchase: Purchase, with_c2b: bool
) -> None:
    """The push was paid; somebody with the token reports it first, under an invented receipt."""
    rail.control("faults", alsoAsC2b=with_c2b)
    push = rail.push(purchase)
    drive_due(tools=rail.tools)
    push.refresh_from_db()
    rail.wait_for(2 if with_c2b else 1)
    rail.post("stk", forged(push.provider_id, "FORGED0004"))
    rail.work()
    assert state_of(purchase) == "paid"
    rail.settle(20)
    paid_once(purchase)
    receipt = rail.book(reference=push.account_reference)["payments"][0]["receipt"]
    assert Payment.objects.get(state=PaymentState.APPLIED).receipt == receipt


def test_a_forged_receipt_after_the_true_one_credits_nothing(rail: Rail, purchase: Purchase) -> None:
    push = rail.push(purchase)
    rail.run_until(lambda: state_of(purchase) == "paid")
    push.refresh_from_db()
    rail.post("stk", forged(push.provider_id, "FORGED0005"))
    rail.run_until(lambda: Payment.objects.get(receipt="FORGED0005").state == PaymentState.DECLINED)
    paid_once(purchase)


def test_a_second_payment_with_the_reference_of_a_paid_push_is_surplus(rail: Rail, purchase: Purchase) -> None:
    push = rail.push(purchase)
    rail.run_until(lambda: state_of(purchase) == "paid")
    rail.pay_bill(push.account_reference)
    rail.run_until(lambda: Payment.objects.filter(state=PaymentState.SURPLUS).exists())
    assert (equation("KES").pending, equation("KES").suspense) == (1000, 1000)
    assert DeadLetter.objects.get().operation == "surplusPayment"


def test_fifty_callbacks_at_once_pay_once(rail: Rail, purchase: Purchase) -> None:
    rail.push(purchase)
    drive_due(tools=rail.tools)
    [received] = rail.wait_for(1, path="/stk")

    def deliver(_: int) -> int:
        try:
            status: int = rail.hand_on(received).status_code
            rail.work()
            return status
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as threads:
        assert set(threads.map(deliver, range(50))) == {200}
    rail.settle()
    paid_once(purchase)


def test_only_one_of_many_simultaneous_pushes_is_started(rail: Rail, purchase: Purchase) -> None:
    def start(_: int) -> bool:
        try:
            rail.push(purchase)
        except Conflict:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(start, range(10))) == 1


def test_what_cannot_be_pushed_is_refused(rail: Rail, purchase: Purchase) -> None:
    with pytest.raises(BadInput, match="malformed_phone"):
        charges.start(
            intent_id=purchase.intent_id, charger=charging.Push(charging.parse_phone("12345")), now=rail.clock.now()
        )
    push, later = charging.Push(charging.parse_phone("0708374149")), rail.clock.now() + timedelta(days=30)
    with pytest.raises(Conflict, match="not_awaiting_payment"):
        charges.start(intent_id=purchase.intent_id, charger=push, now=later)
    assert not ProviderRequest.objects.exists()
