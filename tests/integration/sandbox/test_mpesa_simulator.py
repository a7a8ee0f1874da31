"""The M-PESA simulator, as a real process, over HTTP."""

import base64
import hashlib
import hmac
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.receiver import Received, Receiver, http_receiver

KEYS = ("sandbox-consumer-key", "sandbox-consumer-secret")
SHORTCODE, PASSKEY, PHONE = "174379", "sandbox-passkey", "254708374149"
GATEWAY_SECRET = "a-gateway-secret-of-the-tests"
GATEWAY_PATH = "/api/v1/callbacks/mpesa"


@dataclass
class Mpesa:
    """A client that speaks to one simulator the way a merchant does."""

    http: httpx.Client
    receiver: Receiver
    process: subprocess.Popen[bytes]
    token: str = ""
    expected_exit: int = 0

    def fetch_token(self) -> httpx.Response:
        return self.http.get("/oauth/v1/generate", params={"grant_type": "client_credentials"}, auth=KEYS)

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        if not self.token:
            self.token = self.fetch_token().json()["access_token"]
        return self.http.post(path, json=body, headers={"Authorization": f"Bearer {self.token}"})

    def push(self, path: str = "/stk", **changes: Any) -> httpx.Response:
        body = {
            **password(),
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 150,
            "PartyA": PHONE,
            "PartyB": SHORTCODE,
            "PhoneNumber": PHONE,
            "CallBackURL": self.receiver.url + path,
            "AccountReference": "order-1",
            "TransactionDesc": "an order",
        }
        return self.post("/mpesa/stkpush/v1/processrequest", {**body, **changes})

    def query(self, checkout_id: str) -> httpx.Response:
        return self.post("/mpesa/stkpushquery/v1/query", {**password(), "CheckoutRequestID": checkout_id})

    def register(self, response_type: str = "Completed") -> httpx.Response:
        urls = {
            "ConfirmationURL": self.receiver.url + "/confirm",
            "ValidationURL": self.receiver.url + "/validate",
        }
        body = {"ShortCode": SHORTCODE, "ResponseType": response_type, **urls}
        return self.post("/mpesa/c2b/v2/registerurl", body)

    def operate(self, path: str, **body: Any) -> httpx.Response:
        """Send a request that needs an initiator; its result goes to /result."""
        pem = self.http.get("/_sandbox/public-key").json()["pem"]
        key = load_pem_public_key(pem.encode())
        assert isinstance(key, rsa.RSAPublicKey)
        sealed = base64.b64encode(key.encrypt(b"sandbox-initiator", padding.PKCS1v15())).decode()
        common = {
            "Initiator": "testapi",
            "InitiatorName": "testapi",
            "SecurityCredential": sealed,
            "Remarks": "a test",
            "ResultURL": self.receiver.url + "/result",
            "QueueTimeOutURL": self.receiver.url + "/timeout",
        }
        return self.post(path, {**common, **body})

    def status(self, **body: Any) -> httpx.Response:
        return self.operate(
            "/mpesa/transactionstatus/v1/query",
            **{"CommandID": "TransactionStatusQuery", "PartyA": SHORTCODE, "IdentifierType": "4", **body},
        )

    def reverse(self, receipt: str, amount: Any, **changes: Any) -> httpx.Response:
        body = {"CommandID": "TransactionReversal", "TransactionID": receipt, "Amount": amount}
        receiver = {"ReceiverParty": SHORTCODE, "RecieverIdentifierType": "11"}
        return self.operate("/mpesa/reversal/v1/request", **{**body, **receiver, **changes})

    def pay_out(self, originator_id: str, amount: int = 100) -> httpx.Response:
        body = {"CommandID": "BusinessPayment", "PartyA": SHORTCODE, "PartyB": PHONE, "Amount": amount}
        return self.operate("/mpesa/b2c/v3/paymentrequest", OriginatorConversationID=originator_id, **body)

    def control(self, name: str, **body: Any) -> httpx.Response:
        return self.http.post(f"/_sandbox/{name}", json=body)

    def book(self, **query: str) -> dict[str, Any]:
        book: dict[str, Any] = self.http.get("/_sandbox/book", params=query).json()
        return book

    def bill(self, amount: Any = 150, reference: str = "INV-1") -> str:
        receipt: str = self.control("pay", amount=amount, billRef=reference, msisdn=PHONE).json()["receipt"]
        return receipt


Launch = Callable[..., Any]


def password() -> dict[str, str]:
    stamp = (datetime.now(UTC) + timedelta(hours=3)).strftime("%Y%m%d%H%M%S")
    sealed = base64.b64encode(f"{SHORTCODE}{PASSKEY}{stamp}".encode()).decode()
    return {"BusinessShortCode": SHORTCODE, "Password": sealed, "Timestamp": stamp}


@contextmanager
def running(receiver: Receiver, state_dir: Path, *options: str) -> Iterator[Mpesa]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    delays = ("--answer-delay-ms", "30", "--result-delay-ms", "10", "--resend-ms", "100,200")
    arguments = ["--port", str(port), "--callback-url", receiver.url, "--state-dir", str(state_dir)]
    arguments += ["--seed", "7", *delays, *options]
    env = {"MPESA_SANDBOX_GATEWAY_SECRET": GATEWAY_SECRET}
    with (
        python_module("sandbox.mpesa", arguments, ready_url=f"{url}/_sandbox/health", env=env) as process,
        httpx.Client(base_url=url, timeout=10, verify=False) as http,
    ):
        mpesa = Mpesa(http, receiver, process)
        yield mpesa
    assert process.returncode == mpesa.expected_exit


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def mpesa(receiver: Receiver, tmp_path: Path) -> Iterator[Mpesa]:
    with running(receiver, tmp_path) as mpesa:
        yield mpesa


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mpesa]:
    """A simulator for requests that must be refused, and so change nothing."""
    with http_receiver() as receiver, running(receiver, tmp_path_factory.mktemp("shared")) as mpesa:
        yield mpesa


def result_of(receiver: Receiver, count: int = 1) -> dict[str, Any]:
    result: dict[str, Any] = receiver.wait("/result", count)[-1].json["Result"]
    return result


def parameters_of(result: dict[str, Any]) -> dict[str, Any]:
    return {pair["Key"]: pair.get("Value") for pair in result["ResultParameters"]["ResultParameter"]}


def stk_outcomes(receiver: Receiver, count: int) -> list[int]:
    return [r.json["Body"]["stkCallback"]["ResultCode"] for r in receiver.wait("/stk", count)]


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


class TestFaults:
    def test_a_lost_callback_leaves_the_payment_in_the_book(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.control("faults", loseNext=1)
        lost = mpesa.push().json()["CheckoutRequestID"]
        told = mpesa.push().json()["CheckoutRequestID"]
        [callback] = receiver.wait("/stk")
        assert {lost, told} > {callback.json["Body"]["stkCallback"]["CheckoutRequestID"]}
        wait_until(lambda: len(mpesa.book()["payments"]) == 2)
        assert mpesa.query(lost).json()["ResultCode"] == "0"

    def test_the_same_seed_loses_the_same_callbacks(self, receiver: Receiver, tmp_path: Path) -> None:
        fates = []
        for run in ("first", "second"):
            with running(receiver, tmp_path / run) as mpesa:
                mpesa.register()
                mpesa.control("faults", loseRate=0.5)
                fates.append(outcomes(mpesa, [mpesa.bill() for _ in range(12)]))
        assert fates[0] == fates[1]
        assert set(fates[0]) == {"lost", "answered"}

    def test_duplicates_are_the_same_bytes_many_times(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.control("faults", duplicate=4)
        mpesa.push()
        copies = receiver.wait("/stk", 5)
        assert len({copy.body for copy in copies}) == 1
        assert len(mpesa.book()["payments"]) == 1

    def test_reordered_callbacks_arrive_in_another_order(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.register()
        mpesa.control("faults", reorder=5)
        receipts = [mpesa.bill() for _ in range(5)]
        arrived = [callback.json["TransID"] for callback in receiver.wait("/confirm", 5)]
        assert arrived != receipts
        assert sorted(arrived) == sorted(receipts)

    def test_a_delayed_callback_comes_late(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.register()
        mpesa.control("faults", delayMs=300)
        paid_at = time.time()
        mpesa.bill()
        assert receiver.wait("/confirm")[0].at - paid_at >= 0.3

    def test_faults_of_one_kind_spare_the_others(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.register()
        mpesa.control("faults", loseRate=1, kinds=["stk"])
        mpesa.push()
        mpesa.bill()
        receiver.wait("/confirm")
        wait_until(lambda: len(mpesa.book()["payments"]) == 2)
        assert receiver.all("/stk") == []

    def test_one_payment_arrives_as_stk_and_as_c2b_under_one_receipt(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.register()
        mpesa.control("faults", alsoAsC2b=True)
        mpesa.push()
        items = receiver.wait("/stk")[0].json["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
        confirmation = receiver.wait("/confirm")[0].json
        assert confirmation["TransID"] == items[1]["Value"]
        assert confirmation["BillRefNumber"] == "order-1"
        assert len(mpesa.book()["payments"]) == 1

    def test_a_spike_arrest_does_nothing(self, mpesa: Mpesa) -> None:
        mpesa.control("faults", spikeArrestNext=1)
        assert mpesa.push().json()["errorCode"] == "500.003.02"
        assert mpesa.book()["pushes"] == []
        assert mpesa.push().status_code == 200

    def test_a_lost_reply_hides_a_push_that_was_made(self, mpesa: Mpesa) -> None:
        mpesa.control("faults", replyLostNext=1)
        with pytest.raises(httpx.RemoteProtocolError):
            mpesa.push()
        wait_until(lambda: mpesa.book()["totals"]["paid"] == "150.00")

    def test_a_slow_api_is_slow(self, mpesa: Mpesa) -> None:
        mpesa.control("faults", slowMs=300)
        begun = time.monotonic()
        mpesa.fetch_token()
        assert time.monotonic() - begun >= 0.3

    def test_cleared_faults_are_gone(self, mpesa: Mpesa) -> None:
        mpesa.control("faults", loseRate=1, oauthDown=True)
        cleared = mpesa.http.delete("/_sandbox/faults").json()
        assert (cleared["loseRate"], cleared["oauthDown"]) == (0, False)
        assert mpesa.http.get("/_sandbox/faults").json() == cleared


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


class TestRestart:
    def test_the_book_survives(self, receiver: Receiver, tmp_path: Path) -> None:
        with running(receiver, tmp_path) as mpesa:
            receipt = mpesa.bill()
            mpesa.reverse(receipt, 150)
            mpesa.pay_out("payout-1")
            mpesa.register()
            before = mpesa.book()
        with running(receiver, tmp_path) as mpesa:
            assert mpesa.book() == before
            assert mpesa.bill() != receipt
            receiver.wait("/confirm")
            assert mpesa.pay_out("payout-1").json()["errorCode"] == "500.002.1001"

    def test_a_killed_simulator_forgets_no_money(self, receiver: Receiver, tmp_path: Path) -> None:
        with running(receiver, tmp_path) as mpesa:
            receipts = [mpesa.bill() for _ in range(20)]
            mpesa.expected_exit = -signal.SIGKILL
            mpesa.process.kill()
        with running(receiver, tmp_path) as mpesa:
            assert [payment["receipt"] for payment in mpesa.book()["payments"]] == receipts

    def test_a_push_in_flight_is_answered_after_the_restart(self, receiver: Receiver, tmp_path: Path) -> None:
        with running(receiver, tmp_path, "--answer-delay-ms", "60000") as mpesa:
            mpesa.push()
        with running(receiver, tmp_path) as mpesa:
            assert stk_outcomes(receiver, 1) == [0]
            assert mpesa.book()["totals"]["paid"] == "150.00"

    def test_a_notice_nobody_took_is_resent_after_the_restart(self, receiver: Receiver, tmp_path: Path) -> None:
        receiver.answer = lambda _: (503, "down")
        with running(receiver, tmp_path) as mpesa:
            mpesa.control("gateway-pay", txRef="MPESA-1", amount=100, phone=PHONE)
        sent = len(receiver.all(GATEWAY_PATH))
        receiver.answer = lambda _: (200, {"status": "processed"})
        with running(receiver, tmp_path) as mpesa:
            receiver.wait(GATEWAY_PATH, sent + 1)
            wait_until(lambda: mpesa.book()["payments"][0]["acknowledged"])

    def test_a_line_torn_by_a_crash_is_cut_off(self, receiver: Receiver, tmp_path: Path) -> None:
        with running(receiver, tmp_path) as mpesa:
            mpesa.bill()
        with (tmp_path / "book.jsonl").open("ab") as journal:
            journal.write(b'{"event":"payment","rec')
        for payments in (1, 2):
            with running(receiver, tmp_path) as mpesa:
                assert len(mpesa.book()["payments"]) == payments
                mpesa.bill()

    def test_a_second_simulator_on_the_same_book_does_not_start(self, receiver: Receiver, tmp_path: Path) -> None:
        with (
            running(receiver, tmp_path),
            pytest.raises(RuntimeError, match="ended with 1"),
            running(receiver, tmp_path),
        ):
            pass


class TestControl:
    @pytest.mark.parametrize(
        ("name", "body", "message"),
        [
            ("faults", {"loseRate": 1.5}, "loseRate must be a number from 0 to 1"),
            ("faults", {"duplicate": True}, "duplicate must be a whole number"),
            ("faults", {"loosRate": 1}, "unknown fault 'loosRate'"),
            ("faults", {"kinds": ["sms"]}, "kinds may hold stk, c2b, result, gateway"),
            ("stk", {"behaviour": "laugh"}, "behaviour must be one of pay"),
            ("stk", {"behaviour": "pay", "next": 0}, "next must be a whole number"),
            ("stk-answer", {"checkoutRequestId": "none", "behaviour": "pay"}, "no such checkoutRequestId"),
            ("pay", {"amount": "1.001", "billRef": "INV-1"}, "amount must be more than 0"),
            ("pay", {"amount": 10, "billRef": "INV-1", "msisdn": "0712"}, "msisdn must look like"),
            ("pay", {"amount": 10, "ref": "INV-1"}, "unknown: ref"),
            ("gateway-pay", {"txRef": "", "amount": 1, "phone": PHONE}, "txRef must be a text"),
            (
                "gateway-pay",
                {"txRef": "a", "amount": 1, "phone": PHONE, "receipt": "x"},
                "receipt must be ten",
            ),
        ],
    )
    def test_bad_input_is_refused_with_the_reason(
        self, shared: Mpesa, name: str, body: dict[str, Any], message: str
    ) -> None:
        answer = shared.control(name, **body)
        assert answer.status_code in {400, 404}
        assert answer.json()["error"].startswith(message)

    def test_a_partly_bad_fault_changes_nothing(self, shared: Mpesa) -> None:
        shared.control("faults", oauthDown=True, duplicate=-1)
        assert shared.http.get("/_sandbox/faults").json()["oauthDown"] is False

    def test_the_deliveries_say_what_the_receiver_answered(self, mpesa: Mpesa, receiver: Receiver) -> None:
        receiver.answer = lambda _: (500, {"error": "no"})
        checkout_id = mpesa.push().json()["CheckoutRequestID"]
        wait_until(lambda: deliveries(mpesa, checkout_id) != [])
        [delivery] = deliveries(mpesa, checkout_id)
        assert (delivery["kind"], delivery["httpStatus"], delivery["body"]) == ("stk", 500, {"error": "no"})


def deliveries(mpesa: Mpesa, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = mpesa.http.get("/_sandbox/deliveries", params={"key": key}).json()["deliveries"]
    return found


def outcomes(mpesa: Mpesa, receipts: list[str]) -> list[str]:
    def confirmations() -> list[str]:
        found = [d for receipt in receipts for d in deliveries(mpesa, receipt) if d["kind"] == "c2b"]
        return [delivery["outcome"] for delivery in found]

    wait_until(lambda: len(confirmations()) == len(receipts))
    return confirmations()


def refuse_first(receiver: Receiver, count: int) -> Callable[[Received], tuple[int, Any]]:
    def answer(received: Received) -> tuple[int, Any]:
        is_early = len(receiver.all(received.path)) <= count
        return (503, {"error": "degraded"}) if is_early else (200, {"status": "processed"})

    return answer


def wait_until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
