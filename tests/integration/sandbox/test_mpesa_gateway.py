"""The signed notices of the M-PESA simulator."""

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

from tests.integration.sandbox.merchant import GATEWAY_PATH, GATEWAY_SECRET, PHONE, Mpesa, result_of, wait_until
from tests.kit.receiver import Received, Receiver


class TestGateway:
    def test_a_gateway_payment_is_signed_over_the_raw_body(self, mpesa: Mpesa, receiver: Receiver) -> None:
        receiver.answer = lambda _: (200, {"status": "processed", "intentId": "0x01"})
        answer = mpesa.control("gateway-pay", txRef="MPESA-1", amount="1000.50", phone=PHONE).json()
        assert answer["acknowledged"] is True
        assert answer["answers"] == [{"httpStatus": 200, "body": {"status": "processed", "intentId": "0x01"}}]
        [notice] = receiver.all(GATEWAY_PATH)
        expected = hmac.new(GATEWAY_SECRET.encode(), notice.body, hashlib.sha256).hexdigest()
        assert notice.headers["x-mpesa-signature"] == expected
        body = notice.json
        assert (body["txRef"], body["amount"], body["phone"]) == ("MPESA-1", "1000.50", PHONE)
        assert body["metadata"] == {"receipt": answer["receipt"]}
        assert abs(body["timestamp"] - time.time()) < 10

    def test_a_notice_is_resent_with_a_fresh_signature_until_it_is_taken(
        self, mpesa: Mpesa, receiver: Receiver
    ) -> None:
        receiver.answer = refuse_first(receiver, 2)
        answer = mpesa.control("gateway-pay", txRef="MPESA-1", amount=100, phone=PHONE).json()
        assert (answer["acknowledged"], answer["answers"][0]["httpStatus"]) == (False, 503)
        receiver.wait(GATEWAY_PATH, 3)
        wait_until(lambda: mpesa.book()["payments"][0]["acknowledged"])
        time.sleep(0.4)
        assert len(receiver.all(GATEWAY_PATH)) == 3
        assert mpesa.book()["totals"]["paid"] == "100.00"

    def test_the_same_receipt_is_told_again_but_paid_once(self, mpesa: Mpesa, receiver: Receiver) -> None:
        payment = {"txRef": "MPESA-1", "amount": 100, "phone": PHONE, "receipt": "TKL0000001"}
        mpesa.control("gateway-pay", **payment)
        assert mpesa.control("gateway-pay", **payment).json()["repeated"] is True
        assert len(receiver.all(GATEWAY_PATH)) == 2
        assert mpesa.book()["totals"]["paid"] == "100.00"
        assert mpesa.control("gateway-pay", **{**payment, "amount": 101}).status_code == 409

    def test_fifty_duplicates_arrive_at_once(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.control("faults", duplicate=49)
        answer = mpesa.control("gateway-pay", txRef="MPESA-1", amount=100, phone=PHONE).json()
        copies = receiver.all(GATEWAY_PATH)
        assert len(copies) == len(answer["answers"]) == 50
        assert len({copy.body for copy in copies}) == 1

    def test_a_lost_notice_without_resending_is_only_in_the_book(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.control("faults", loseNext=1)
        mpesa.control("gateway-pay", txRef="MPESA-1", amount=100, phone=PHONE, resend=False)
        time.sleep(0.4)
        assert receiver.all(GATEWAY_PATH) == []
        [payment] = mpesa.book(reference="MPESA-1")["payments"]
        assert payment["acknowledged"] is False

    def test_a_gateway_payment_can_be_reversed(self, mpesa: Mpesa, receiver: Receiver) -> None:
        receipt = mpesa.control("gateway-pay", txRef="MPESA-1", amount="99.50", phone=PHONE).json()["receipt"]
        mpesa.reverse(receipt, "99.50")
        assert result_of(receiver)["ResultCode"] == 0
        assert mpesa.book()["totals"]["returned"] == "99.50"


def refuse_first(receiver: Receiver, count: int) -> Callable[[Received], tuple[int, Any]]:
    def answer(received: Received) -> tuple[int, Any]:
        is_early = len(receiver.all(received.path)) <= count
        return (503, {"error": "degraded"}) if is_early else (200, {"status": "processed"})

    return answer
