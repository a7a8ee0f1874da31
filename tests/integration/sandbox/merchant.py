"""A merchant that speaks to one M-PESA simulator, a real process, over HTTP."""

import base64
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.receiver import Receiver

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


def result_of(receiver: Receiver, count: int = 1) -> dict[str, Any]:
    result: dict[str, Any] = receiver.wait("/result", count)[-1].json["Result"]
    return result


def parameters_of(result: dict[str, Any]) -> dict[str, Any]:
    return {pair["Key"]: pair.get("Value") for pair in result["ResultParameters"]["ResultParameter"]}


def stk_outcomes(receiver: Receiver, count: int) -> list[int]:
    return [r.json["Body"]["stkCallback"]["ResultCode"] for r in receiver.wait("/stk", count)]


def deliveries(mpesa: Mpesa, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = mpesa.http.get("/_sandbox/deliveries", params={"key": key}).json()["deliveries"]
    return found


def wait_until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
