"""Payments to the paybill (C2B): asked about before they count, matched late, returned when nobody's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings as django_settings

from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.conf import Config
from fiatrails.kernel.errors import Conflict
from fiatrails.ledger.verify import equation
from fiatrails.operations.invariants import check_books
from fiatrails.providers.core.models import InboxConflict, Payment, PaymentState, ProviderRequest
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments import surplus
from tests.integration.providers.conftest import SHORTCODE, Rail

Make = Callable[..., Purchase]


def bill(receipt: str, reference: str, amount: str = "10.00", **more: Any) -> dict[str, Any]:
    return {
        "TransactionType": "Pay Bill",
        "TransID": receipt,
        "TransTime": "20261101120000",
        "TransAmount": amount,
        "BusinessShortCode": SHORTCODE,
        "BillRefNumber": reference,
        "MSISDN": "2547 ***** 149",
        **more,
    }


def state_of(purchase: Purchase) -> str:
    return Purchase.objects.get(pk=purchase.pk).state


def only_event() -> Payment:
    return Payment.objects.get()


def test_a_payment_is_confirmed_and_then_counts_once(rail: Rail, make_purchase: Make) -> None:
    purchase = make_purchase("INV 1", now=rail.clock.now())
    receipt = rail.pay_bill(" INV 1 ")
    [confirmation] = rail.wait_for(1)
    rail.hand_on_new()
    assert state_of(purchase) == "awaiting_payment"
    rail.run_until(lambda: state_of(purchase) == "paid")
    rail.hand_on(confirmation)
    rail.settle()
    assert (only_event().receipt, only_event().state) == (receipt, PaymentState.APPLIED)
    assert (equation("KES").paid, equation("KES").pending) == (1000, 1000)


def test_a_forged_payment_never_counts(rail: Rail, make_purchase: Make) -> None:
    purchase = make_purchase("TX-1", now=rail.clock.now())
    assert rail.post("c2b/confirmation", bill("FORGED0001", "TX-1")).json()["ResultCode"] == "0"
    rail.run_until(lambda: only_event().state == PaymentState.DECLINED)
    assert state_of(purchase) == "awaiting_payment"
    assert equation("KES").paid == 0


def test_money_that_we_sent_is_not_a_payment(rail: Rail, make_purchase: Make) -> None:
    """The receipt of a reversal is real and completed, and the money went the other way."""
    first = make_purchase("TX-1", now=rail.clock.now())
    receipt = rail.pay_bill("TX-1", 12)
    rail.run_until(lambda: state_of(first) == "held")
    from fiatrails.purchases.payments import refunds

    refunds.refund(intent_id=first.intent_id, actor="ops", reason="wrong", now=rail.clock.now())
    rail.run_until(lambda: rail.book(receipt=receipt)["reversals"])
    outgoing = rail.book(receipt=receipt)["reversals"][0]["receipt"]
    second = make_purchase("TX-2", now=rail.clock.now(), tokens=12)
    rail.post("c2b/confirmation", bill(outgoing, "TX-2", "12.00"))
    rail.run_until(lambda: Payment.objects.get(receipt=outgoing).state == PaymentState.DECLINED)
    assert state_of(second) == "awaiting_payment"


def test_a_claimed_amount_that_differs_is_nobodys_until_someone_looks(rail: Rail, make_purchase: Make) -> None:
    purchase = make_purchase("TX-1", now=rail.clock.now(), tokens=500)
    receipt = rail.pay_bill("other", 10)
    rail.wait_for(1)
    rail.handed_on = 1
    rail.post("c2b/confirmation", bill(receipt, "TX-1", "500.00"))
    rail.run_until(lambda: only_event().state == PaymentState.UNMATCHED)
    assert (only_event().amount_minor, only_event().tx_ref) == (1000, "")
    assert state_of(purchase) == "awaiting_payment"
    assert equation("KES").suspense == 1000
    assert DeadLetter.objects.get().operation == "disputedPayment"


def test_two_reports_of_one_receipt_that_differ_credit_no_purchase(rail: Rail, make_purchase: Make) -> None:
    thief = make_purchase("THIEF", now=rail.clock.now())
    owner = make_purchase("OWNER", now=rail.clock.now())
    receipt = rail.pay_bill("OWNER")
    rail.wait_for(1)
    rail.post("c2b/confirmation", bill(receipt, "THIEF"))
    rail.hand_on_new()
    assert InboxConflict.objects.count() == 1
    rail.run_until(lambda: only_event().state == PaymentState.UNMATCHED)
    assert {state_of(thief), state_of(owner)} == {"awaiting_payment"}
    assert equation("KES").suspense == 1000


def test_an_unknown_reference_is_kept_alarmed_once_and_matched_later(rail: Rail, make_purchase: Make) -> None:
    rail.pay_bill("TX-LATER")
    rail.wait_for(1)
    rail.run_until(lambda: only_event().state == PaymentState.UNMATCHED)
    assert equation("KES").suspense == 1000
    for _ in range(3):
        rail.clock.advance(minutes=20)
        rail.work()
    assert [letter.operation for letter in DeadLetter.objects.all()] == ["unmatchedPayment"]
    purchase = make_purchase("TX-LATER", now=rail.clock.now())
    assert (state_of(purchase), only_event().state) == ("paid", PaymentState.APPLIED)
    assert equation("KES").suspense == 0


def test_a_lost_status_result_is_asked_for_again(rail: Rail, make_purchase: Make) -> None:
    purchase = make_purchase("TX-1", now=rail.clock.now())
    rail.control("faults", loseNext=1, kinds=["result"])
    rail.pay_bill("TX-1")
    rail.wait_for(1)
    rail.run_until(lambda: state_of(purchase) == "paid")
    assert ProviderRequest.objects.get().details["sends"] == 2


def test_a_provider_that_never_answers_ends_as_a_dead_letter_and_a_replay_counts(
    rail: Rail, make_purchase: Make
) -> None:
    from fiatrails.providers.mpesa.confirmations import retry_event

    purchase = make_purchase("TX-1", now=rail.clock.now())
    rail.control("faults", loseRate=1.0, kinds=["result"])
    rail.pay_bill("TX-1")
    rail.wait_for(1)
    rail.hand_on_new()

    def buried() -> bool:
        rail.clock.advance(seconds=30)
        return DeadLetter.objects.exists()

    rail.run_until(buried)
    assert (only_event().state, only_event().due_at) == (PaymentState.RECEIVED, None)
    assert state_of(purchase) == "awaiting_payment"
    rail.control("faults", loseRate=0.0)
    retry_event(event_id=only_event().pk, now=rail.clock.now())
    rail.run_until(lambda: state_of(purchase) == "paid")


def test_validation_refuses_only_what_could_only_come_back(rail: Rail, make_purchase: Make) -> None:
    make_purchase("TX-1", now=rail.clock.now())
    cancelled = make_purchase("TX-2", now=rail.clock.now())
    Purchase.objects.filter(pk=cancelled.pk).update(state="cancelled")
    answers = {
        ("TX-1", "10.00"): "0",
        ("TX-1", "9.00"): "C2B00013",
        ("TX-2", "10.00"): "C2B00012",
        ("unknown", "10.00"): "0",
    }
    for (reference, amount), code in answers.items():
        assert rail.post("c2b/validation", bill("RCPT000001", reference, amount)).json()["ResultCode"] == code
    wrong = rail.post("c2b/validation", {**bill("RCPT000001", "TX-1"), "BusinessShortCode": "1"})
    assert wrong.json()["ResultCode"] == "C2B00015"
    assert not Payment.objects.exists()


class TestReturns:
    def surplus_event(self, rail: Rail, make_purchase: Make) -> Payment:
        purchase = make_purchase(f"TX-{rail.run}", now=rail.clock.now())
        for _ in range(2):
            rail.pay_bill(f"TX-{rail.run}")
        rail.wait_for(2)
        rail.run_until(lambda: Payment.objects.filter(state=PaymentState.SURPLUS).exists())
        assert state_of(purchase) == "paid"
        return Payment.objects.get(state=PaymentState.SURPLUS)

    def test_surplus_goes_back_once(self, rail: Rail, make_purchase: Make) -> None:
        event = self.surplus_event(rail, make_purchase)
        now = rail.clock.now()
        surplus.refund_event(event_id=event.pk, actor="ops", reason="paid twice", now=now)
        with pytest.raises(Conflict, match="not_returnable"):
            surplus.refund_event(event_id=event.pk, actor="ops", reason="again", now=now)
        rail.run_until(lambda: Payment.objects.get(pk=event.pk).state == PaymentState.REFUNDED)
        rail.settle()
        assert len(rail.book(receipt=str(event.receipt))["reversals"]) == 1
        assert (equation("KES").refunded, equation("KES").suspense) == (1000, 0)
        assert check_books() == []

    def test_a_refused_return_leaves_the_surplus_and_a_dead_letter(self, rail: Rail, make_purchase: Make) -> None:
        event = self.surplus_event(rail, make_purchase)
        rail.control("faults", failResultNext=1, failResultCode="2001")
        surplus.refund_event(event_id=event.pk, actor="ops", reason="paid twice", now=rail.clock.now())
        rail.run_until(lambda: DeadLetter.objects.filter(operation="refundEvent").exists())
        event.refresh_from_db()
        assert (event.state, equation("KES").refunded) == (PaymentState.SURPLUS, 0)
        surplus.refund_event(
            event_id=event.pk, actor="ops", reason="paid twice", now=rail.clock.now(), external_reference="bank 7"
        )
        assert (equation("KES").refunded, equation("KES").suspense) == (1000, 0)

    def test_money_on_its_way_back_is_not_matched(self, rail: Rail, make_purchase: Make) -> None:
        rail.pay_bill("TX-NEW")
        rail.wait_for(1)
        rail.run_until(lambda: only_event().state == PaymentState.UNMATCHED)
        surplus.refund_event(event_id=only_event().pk, actor="ops", reason="unknown", now=rail.clock.now())
        purchase = make_purchase("TX-NEW", now=rail.clock.now())
        rail.run_until(lambda: only_event().state == PaymentState.REFUNDED)
        assert state_of(purchase) == "awaiting_payment"

    def test_a_refused_return_of_unmatched_money_finds_the_purchase_made_meanwhile(
        self, rail: Rail, make_purchase: Make
    ) -> None:
        rail.pay_bill("TX-NEW")
        rail.wait_for(1)
        rail.run_until(lambda: only_event().state == PaymentState.UNMATCHED)
        rail.control("faults", failResultNext=1, failResultCode="2001")
        surplus.refund_event(event_id=only_event().pk, actor="ops", reason="unknown", now=rail.clock.now())
        purchase = make_purchase("TX-NEW", now=rail.clock.now())
        rail.run_until(lambda: state_of(purchase) == "paid")


class TestWhoMayCall:
    def test_a_wrong_token_and_a_wrong_source_look_like_an_address_that_does_not_exist(self, rail: Rail) -> None:
        body = bill("RCPT000001", "TX-1")
        refused = [
            rail.post("c2b/confirmation", body, token="wrong"),
            rail.post("c2b/confirmation", body, source="8.8.8.8"),
            rail.post("c2b/nothing", body),
            rail.web.get(f"/cb/{rail.run}/wrong/stk"),
        ]
        assert {r.status_code for r in refused} == {404}
        shapes = {str({k: v for k, v in r.json().items() if k != "requestId"}) for r in refused}
        assert len(shapes) == 1
        assert not Payment.objects.exists()

    def test_a_forwarded_address_is_not_believed(self, rail: Rail) -> None:
        path = f"/cb/{rail.run}/a-token-of-the-tests-that-nobody-guesses/c2b/confirmation"
        answer = rail.web.post(
            path, data=b"{}", content_type="application/json", REMOTE_ADDR="8.8.8.8", HTTP_X_FORWARDED_FOR="127.0.0.1"
        )
        assert answer.status_code == 404

    def test_networks_and_mapped_addresses_are_understood(self, rail: Rail) -> None:
        for source in ("10.1.200.3", "::ffff:10.1.200.3"):
            assert rail.post("c2b/validation", bill("RCPT000001", "x"), source=source).status_code == 200
        assert rail.post("c2b/validation", bill("RCPT000001", "x"), source="10.2.0.1").status_code == 404

    def test_without_a_configured_token_nothing_is_let_in(self, rail: Rail, configure: Callable[..., Config]) -> None:
        from pydantic import SecretStr

        mpesa = replace(django_settings.FIATRAILS.providers["mpesa"], callback_token=SecretStr(""))
        configure(mpesa=mpesa)
        assert rail.post("stk", {}, token="x").status_code == 404

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("stk", b"{", 400),
            ("stk", b"{}", 400),
            ("c2b/confirmation", b"[]", 400),
            ("c2b/confirmation", b'{"TransID": "RCPT000001", "TransAmount": "-1"}', 400),
            ("result/unknown", b'{"Result": {}}', 400),
            ("result/unknown", b'{"Result": {"ResultCode": 0}}', 200),
            ("timeout/unknown", b"{}", 200),
            ("c2b/confirmation", b" " * 65537, 413),
        ],
    )
    def test_what_cannot_be_read_is_refused_and_changes_nothing(
        self, rail: Rail, path: str, body: bytes, status: int
    ) -> None:
        assert rail.post(path, body).status_code == status
        assert not Payment.objects.exists()

    def test_only_post_is_taken(self, rail: Rail) -> None:
        url = f"/cb/{rail.run}/a-token-of-the-tests-that-nobody-guesses/stk"
        assert rail.web.get(url, REMOTE_ADDR="127.0.0.1").status_code == 405
