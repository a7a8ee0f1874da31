"""The API of the M-PESA simulator: tokens, pushes, bills and results."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.sandbox.merchant import PHONE, SHORTCODE, Mpesa, parameters_of, result_of, running, stk_outcomes
from tests.kit.receiver import Receiver


class TestTokens:
    def test_bad_keys_are_refused_with_an_empty_body(self, shared: Mpesa) -> None:
        answer = shared.http.get(
            "/oauth/v1/generate", params={"grant_type": "client_credentials"}, auth=("who", "knows")
        )
        assert (answer.status_code, answer.content) == (400, b"")

    def test_missing_keys_are_refused_with_an_empty_body(self, shared: Mpesa) -> None:
        answer = shared.http.get("/oauth/v1/generate", params={"grant_type": "client_credentials"})
        assert (answer.status_code, answer.content) == (401, b"")

    def test_a_token_expires(self, receiver: Receiver, tmp_path: Path) -> None:
        with running(receiver, tmp_path, "--token-seconds", "0.2") as mpesa:
            assert mpesa.push().status_code == 200
            time.sleep(0.25)
            assert mpesa.push().json()["errorCode"] == "404.001.03"

    def test_revoked_tokens_are_refused_until_a_new_one_is_fetched(self, mpesa: Mpesa) -> None:
        mpesa.push()
        assert mpesa.control("revoke-tokens").json() == {"revoked": 1}
        assert mpesa.push().json()["errorCode"] == "404.001.03"
        mpesa.token = ""
        assert mpesa.push().status_code == 200

    def test_an_oauth_outage_spares_the_tokens_already_given(self, mpesa: Mpesa) -> None:
        mpesa.push()
        mpesa.control("faults", oauthDown=True)
        assert mpesa.fetch_token().status_code == 503
        assert mpesa.push().status_code == 200


class TestStkPush:
    def test_a_paid_push_is_called_back_and_in_the_book(self, mpesa: Mpesa, receiver: Receiver) -> None:
        ack = mpesa.push().json()
        assert ack["ResponseCode"] == "0"
        callback = receiver.wait("/stk")[0].json["Body"]["stkCallback"]
        assert callback["CheckoutRequestID"] == ack["CheckoutRequestID"]
        assert callback["MerchantRequestID"] == ack["MerchantRequestID"]
        items = {item["Name"]: item.get("Value") for item in callback["CallbackMetadata"]["Item"]}
        assert (items["Amount"], items["PhoneNumber"], items["Balance"]) == (150, int(PHONE), None)
        [payment] = mpesa.book()["payments"]
        assert payment["receipt"] == items["MpesaReceiptNumber"]
        assert (payment["amount"], payment["reference"], payment["channel"]) == ("150.00", "order-1", "stk")

    @pytest.mark.parametrize(
        ("behaviour", "code"), [("cancel", 1032), ("insufficient", 1), ("timeout", 1037), ("wrong_pin", 2001)]
    )
    def test_a_customer_who_does_not_pay_leaves_no_money(
        self, mpesa: Mpesa, receiver: Receiver, behaviour: str, code: int
    ) -> None:
        mpesa.control("stk", behaviour=behaviour)
        checkout_id = mpesa.push().json()["CheckoutRequestID"]
        callback = receiver.wait("/stk")[0].json["Body"]["stkCallback"]
        assert callback["ResultCode"] == code
        assert "CallbackMetadata" not in callback
        assert mpesa.query(checkout_id).json()["ResultCode"] == str(code)
        assert mpesa.book()["totals"]["paid"] == "0.00"

    def test_behaviours_of_the_next_pushes_are_used_up_in_order(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.control("stk", behaviour="cancel", next=1)
        mpesa.control("stk", resultCode=1019, next=1)
        outcomes = []
        for count in (1, 2, 3):
            mpesa.push()
            outcomes.append(stk_outcomes(receiver, count)[-1])
        assert outcomes == [1032, 1019, 0]

    def test_a_push_that_is_never_answered_stays_in_flight_until_someone_answers(self, mpesa: Mpesa) -> None:
        mpesa.control("stk", behaviour="never")
        checkout_id = mpesa.push().json()["CheckoutRequestID"]
        in_flight = mpesa.query(checkout_id)
        assert (in_flight.status_code, in_flight.json()["errorCode"]) == (500, "500.001.1001")
        mpesa.control("faults", inFlight="4999")
        assert mpesa.query(checkout_id).json()["ResultCode"] == "4999"
        assert mpesa.control("stk-answer", checkoutRequestId=checkout_id, behaviour="pay").json()["receipt"]
        assert mpesa.query(checkout_id).json()["ResultCode"] == "0"
        again = mpesa.control("stk-answer", checkoutRequestId=checkout_id, behaviour="pay")
        assert again.status_code == 409

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("Amount", "1.50"),
            ("Amount", 0),
            ("PhoneNumber", "0708374149"),
            ("PartyA", "254808374149"),
            ("AccountReference", "thirteen-long"),
            ("TransactionDesc", "fourteen-chars"),
            ("TransactionType", "CustomerPayLater"),
            ("Timestamp", "2026-11-21"),
            ("CallBackURL", "http://example.com/stk"),
        ],
    )
    def test_a_field_that_daraja_refuses_is_refused(self, shared: Mpesa, field: str, value: Any) -> None:
        answer = shared.push(**{field: value})
        assert answer.status_code == 400
        assert set(answer.json()) == {"requestId", "errorCode", "errorMessage"}
        assert answer.json()["errorMessage"].endswith(field)
        assert shared.book()["pushes"] == []

    def test_a_wrong_password_is_refused(self, shared: Mpesa) -> None:
        answer = shared.push(Password=base64.b64encode(b"wrong").decode())
        assert (answer.status_code, answer.json()["errorCode"]) == (500, "500.001.1001")

    def test_what_is_not_json_or_not_an_endpoint_is_refused_in_daraja_form(self, shared: Mpesa) -> None:
        bearer = {"Authorization": f"Bearer {shared.fetch_token().json()['access_token']}"}
        path = "/mpesa/stkpush/v1/processrequest"
        assert shared.http.post(path, content=b"{", headers=bearer).json()["errorCode"] == "400.002.05"
        assert shared.http.get(path, headers=bearer).json()["errorCode"] == "405.001"
        assert shared.http.post("/mpesa/none", headers=bearer).json()["errorCode"] == "404.001.01"
        assert shared.http.post(path, json={}).json()["errorCode"] == "404.001.04"


class TestC2b:
    def test_a_bill_is_validated_then_confirmed(self, mpesa: Mpesa, receiver: Receiver) -> None:
        assert "OriginatorCoversationID" in mpesa.register().json()
        receipt = mpesa.bill(amount="99.50", reference=" INV-1 ")
        [validation], [confirmation] = receiver.wait("/validate"), receiver.wait("/confirm")
        assert validation.at <= confirmation.at
        body = confirmation.json
        assert (body["TransID"], body["TransAmount"], body["BillRefNumber"]) == (receipt, "99.50", " INV-1 ")
        assert body["MSISDN"] == "2547 ***** 149"
        assert mpesa.book(receipt=receipt)["totals"]["paid"] == "99.50"

    def test_a_rejected_validation_moves_no_money(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.register()
        receiver.answer = lambda _: (200, {"ResultCode": "C2B00012", "ResultDesc": "Rejected"})
        answer = mpesa.control("pay", amount=10, billRef="INV-1", msisdn=PHONE).json()
        assert answer["status"] == "rejected"
        assert mpesa.book()["payments"] == []

    @pytest.mark.parametrize(("response_type", "status"), [("Completed", "paid"), ("Cancelled", "rejected")])
    def test_a_validation_that_fails_falls_back_on_the_response_type(
        self, mpesa: Mpesa, receiver: Receiver, response_type: str, status: str
    ) -> None:
        mpesa.register(response_type)
        receiver.answer = lambda _: (500, "down")
        assert mpesa.control("pay", amount=10, billRef="INV-1").json()["status"] == status

    def test_production_refuses_forbidden_words_and_a_second_registration(
        self, receiver: Receiver, tmp_path: Path
    ) -> None:
        with running(receiver, tmp_path, "--production-urls") as mpesa:
            body = {"ShortCode": SHORTCODE, "ResponseType": "Completed"}
            forbidden = {**body, "ConfirmationURL": receiver.url + "/callbacks/mpesa"}
            assert mpesa.post("/mpesa/c2b/v2/registerurl", forbidden).status_code == 400
            assert mpesa.register().status_code == 200
            assert mpesa.register().json()["errorMessage"] == "Urls are already registered"


class TestResults:
    def test_a_status_query_reveals_a_payment(self, mpesa: Mpesa, receiver: Receiver) -> None:
        receipt = mpesa.bill()
        ack = mpesa.status(TransactionID=receipt).json()
        result = result_of(receiver)
        assert result["ConversationID"] == ack["ConversationID"]
        assert result["ReferenceData"]["ReferenceItem"] == {"Key": "Occasion"}
        revealed = parameters_of(result)
        assert (revealed["ReceiptNo"], revealed["Amount"]) == (receipt, 150)
        assert revealed["TransactionStatus"] == "Completed"

    def test_a_status_query_for_an_unknown_receipt_says_so(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.status(TransactionID="ZZZ0000000")
        result = result_of(receiver)
        assert result["ResultCode"] == 2032
        assert "ResultParameters" not in result

    def test_a_reversal_returns_the_money_and_a_second_one_fails(self, mpesa: Mpesa, receiver: Receiver) -> None:
        receipt = mpesa.bill(amount=150)
        mpesa.reverse(receipt, 150)
        assert result_of(receiver)["ResultCode"] == 0
        mpesa.reverse(receipt, 150)
        assert result_of(receiver, 2)["ResultCode"] == "R000001"
        book = mpesa.book()
        assert book["totals"] == {"paid": "150.00", "returned": "150.00", "paidOut": "0.00"}
        assert [r["originalReceipt"] for r in book["reversals"]] == [receipt]
        mpesa.status(TransactionID=receipt)
        assert parameters_of(result_of(receiver, 3))["TransactionStatus"] == "Reversed"

    @pytest.mark.parametrize(("amount", "code"), [(149, 2), (151, 3)])
    def test_a_reversal_of_another_amount_returns_nothing(
        self, mpesa: Mpesa, receiver: Receiver, amount: int, code: int
    ) -> None:
        mpesa.reverse(mpesa.bill(amount=150), amount)
        assert result_of(receiver)["ResultCode"] == code
        assert mpesa.book()["reversals"] == []

    def test_a_reversal_of_an_unknown_receipt_fails(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.reverse("ZZZ0000000", 150)
        assert result_of(receiver)["ResultCode"] == "R000002"

    def test_a_wrong_security_credential_fails_in_the_result(self, mpesa: Mpesa, receiver: Receiver) -> None:
        receipt = mpesa.bill()
        assert mpesa.reverse(receipt, 150, SecurityCredential="bm8=").json()["ResponseCode"] == "0"
        assert result_of(receiver)["ResultCode"] == 2001
        assert mpesa.book()["reversals"] == []

    def test_a_result_made_to_fail_moves_no_money(self, mpesa: Mpesa, receiver: Receiver) -> None:
        receipt = mpesa.bill()
        mpesa.control("faults", failResultNext=1, failResultCode=26)
        mpesa.reverse(receipt, 150)
        assert result_of(receiver)["ResultCode"] == 26
        assert mpesa.book()["reversals"] == []

    def test_a_queue_timeout_is_not_a_failure_of_the_reversal(self, mpesa: Mpesa, receiver: Receiver) -> None:
        receipt = mpesa.bill()
        mpesa.control("faults", queueTimeoutNext=1)
        mpesa.reverse(receipt, 150)
        assert receiver.wait("/timeout")[0].json["Result"]["ResultCode"] != 0
        assert mpesa.book()["totals"]["returned"] == "150.00"

    def test_a_payout_is_made_once_per_originator_id(self, mpesa: Mpesa, receiver: Receiver) -> None:
        assert mpesa.pay_out("payout-1").json()["OriginatorConversationID"] == "payout-1"
        assert parameters_of(result_of(receiver))["TransactionAmount"] == 100
        again = mpesa.pay_out("payout-1")
        assert (again.status_code, again.json()["errorCode"]) == (500, "500.002.1001")
        assert mpesa.pay_out("payout-2", amount=9).json()["errorMessage"].endswith("Amount")
        assert mpesa.book()["totals"]["paidOut"] == "100.00"
        mpesa.status(OriginalConversationID="payout-1")
        assert parameters_of(result_of(receiver, 2))["Amount"] == 100
