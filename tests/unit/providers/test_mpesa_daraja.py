"""The Daraja client against a transport that plays the provider: four kinds of answer, and no secret anywhere."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from pydantic import SecretStr

from fiatrails.kernel.conf import Config
from fiatrails.kernel.errors import BadInput, Misconfigured
from fiatrails.kernel.money import Money
from fiatrails.providers.mpesa import codes
from fiatrails.providers.mpesa.answers import Accepted, Answer, Refused, Unknown
from fiatrails.providers.mpesa.codes import PushStatus, Standing
from fiatrails.providers.mpesa.daraja import Daraja, local_timestamp, push_password, require_safe_url

NOW = datetime(2026, 11, 1, 21, 30, 5, tzinfo=UTC)
SECRETS = ("the-consumer-secret", "the-passkey", "the-credential", "the-callback-token", "the-access-token")
Handler = Callable[[httpx.Request], httpx.Response]


class Clock:
    moment = NOW

    def now(self) -> datetime:
        return self.moment


def config() -> Config:
    current = django_settings.FIATRAILS
    mpesa = replace(
        current.providers["mpesa"],
        base_url="https://sandbox.example",
        consumer_key="key",
        shortcode="174379",
        consumer_secret=SecretStr(SECRETS[0]),
        passkey=SecretStr(SECRETS[1]),
        initiator_name="testapi",
        security_credential=SecretStr(SECRETS[2]),
        callback_token=SecretStr(SECRETS[3]),
        callback_base_url="https://rail.example/api/v1/callbacks/daraja",
    )
    return replace(current, providers={"mpesa": mpesa})


def daraja(handle: Handler, clock: Clock | None = None) -> Daraja:
    def transport(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/v1/generate":
            return httpx.Response(200, json={"access_token": SECRETS[4], "expires_in": "3599"})
        return handle(request)

    return Daraja(config(), clock=clock or Clock(), transport=httpx.MockTransport(transport))


def push(client: Daraja) -> object:
    return client.stk_push(
        amount=Money("KES", 1000),
        phone="254708374149",
        account_reference="REF",
        description="Payment",
        callback_path="stk/abc",
    )


def answering(status: int, body: Any) -> Handler:
    return lambda _: (
        httpx.Response(status, content=body) if isinstance(body, bytes) else httpx.Response(status, json=body)
    )


def failing(error: type[Exception]) -> Handler:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error("cut")

    return fail


def test_the_time_is_east_african_and_the_password_is_made_of_it() -> None:
    assert local_timestamp(NOW) == "20261102003005"
    expected = base64.b64encode(b"174379the-passkey20261102003005").decode()
    assert push_password(config().providers["mpesa"], "20261102003005") == expected


def test_a_push_says_what_daraja_wants_to_hear() -> None:
    seen: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == f"Bearer {SECRETS[4]}"
        seen.append(json.loads(request.content))
        return httpx.Response(200, json={"ResponseCode": "0", "CheckoutRequestID": "ws_CO_1", "MerchantRequestID": "m"})

    assert push(daraja(handle)) == Accepted("ws_CO_1", "m")
    [body] = seen
    assert (body["Amount"], body["PartyA"], body["PartyB"]) == (10, "254708374149", "174379")
    assert body["CallBackURL"] == "https://rail.example/api/v1/callbacks/daraja/the-callback-token/stk/abc"
    assert body["TransactionType"] == "CustomerPayBillOnline"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"ResponseCode": 0, "CheckoutRequestID": "c"}, Accepted),
        (200, {"ResponseCode": "0"}, Unknown),
        (200, {"ResponseCode": "1", "ResponseDescription": "no"}, Refused),
        (200, b"<html>", Unknown),
        (200, b"", Unknown),
        (200, b"[" * 70_000, Unknown),
        (204, b"", Unknown),
        (302, b"", Unknown),
        (400, {"errorCode": "400.002.02", "errorMessage": "Bad Request - Invalid Amount"}, Refused),
        (400, b"", Refused),
        (404, {"errorCode": "404.001.03", "errorMessage": "Invalid Access Token"}, Refused),
        (408, b"", Unknown),
        (429, b"", Refused),
        (500, {"errorCode": "500.003.02", "errorMessage": "Spike Arrest"}, Refused),
        (500, {"errorCode": "500.001.1001", "errorMessage": "busy"}, Unknown),
        (500, {"errorCode": "500.002.1001", "errorMessage": "duplicate"}, Unknown),
        (503, b"", Unknown),
    ],
)
def test_every_reply_is_one_of_four(status: int, body: Any, kind: type) -> None:
    assert isinstance(push(daraja(answering(status, body))), kind)


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.RemoteProtocolError])
def test_a_cut_connection_decides_nothing(error: type[Exception]) -> None:
    assert push(daraja(failing(error))) == Unknown(error.__name__)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout])
def test_without_a_connection_nothing_was_sent(error: type[Exception]) -> None:
    answer = push(daraja(failing(error)))
    assert isinstance(answer, Refused)
    assert answer.later


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, {"errorCode": "500.001.1001", "errorMessage": "processing"}, PushStatus.PENDING),
        (200, {"ResponseCode": "0", "ResultCode": "4999"}, PushStatus.PENDING),
        (200, {"ResponseCode": "0", "ResultCode": 0}, PushStatus.PAID),
        (200, {"ResponseCode": "0", "ResultCode": "1032"}, PushStatus.UNPAID),
        (200, {"ResponseCode": "0", "ResultCode": 2001}, PushStatus.UNPAID),
        (200, {"ResponseCode": "0", "ResultCode": "31337"}, PushStatus.UNCLEAR),
    ],
)
def test_a_query_is_read_by_its_codes_alone(status: int, body: Any, expected: PushStatus) -> None:
    answer = daraja(answering(status, body)).stk_query(checkout_id="ws_CO_1")
    assert isinstance(answer, Answer)
    assert answer.status is expected


def test_a_query_without_a_code_decides_nothing() -> None:
    assert isinstance(daraja(answering(200, {"ResponseCode": "0"})).stk_query(checkout_id="c"), Unknown)


def test_a_reversal_goes_to_its_own_result_address() -> None:
    seen: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(200, json={"ResponseCode": "0", "ConversationID": "c", "OriginatorConversationID": "o"})

    client = daraja(handle)
    assert client.reversal(receipt="R1", amount=Money("KES", 1050), reference="ref") == Accepted("c", "o")
    assert client.transaction_status(receipt="R1", reference="ref") == Accepted("c", "o")
    assert (seen[0]["RecieverIdentifierType"], seen[0]["CommandID"]) == ("11", "TransactionReversal")
    assert seen[0]["Amount"] == "10.50"
    assert seen[0]["ResultURL"].endswith("/the-callback-token/result/ref")
    assert seen[1]["QueueTimeOutURL"].endswith("/the-callback-token/timeout/ref")


def test_the_misspelt_registration_reply_is_understood() -> None:
    reply = {"OriginatorCoversationID": "o", "ResponseCode": "0", "ResponseDescription": "Success"}
    assert isinstance(daraja(answering(200, reply)).register_c2b_urls(), Accepted)


def test_production_addresses_must_not_contain_the_forbidden_words() -> None:
    mpesa = replace(config().providers["mpesa"], callback_base_url="https://rail.example/api/v1/callbacks/mpesa")
    client = Daraja(replace(config(), env="production", providers={"mpesa": mpesa}), clock=Clock())
    with pytest.raises(Misconfigured, match="mpesa"):
        client.register_c2b_urls()


def test_the_token_is_kept_until_shortly_before_it_runs_out() -> None:
    fetched: list[str] = []
    clock = Clock()

    def transport(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/v1/generate":
            fetched.append("token")
            return httpx.Response(200, json={"access_token": "t", "expires_in": 3599})
        return httpx.Response(200, json={"ResponseCode": "0", "CheckoutRequestID": "c"})

    client = Daraja(config(), clock=clock, transport=httpx.MockTransport(transport))
    push(client)
    clock.moment = NOW + timedelta(seconds=3530)
    push(client)
    assert len(fetched) == 1
    clock.moment = NOW + timedelta(seconds=3540)
    push(client)
    assert len(fetched) == 2


def test_a_token_that_the_provider_no_longer_knows_is_fetched_anew() -> None:
    replies = iter([(404, {"errorCode": "404.001.03"}), (200, {"ResponseCode": "0", "CheckoutRequestID": "c"})])
    fetched: list[int] = []

    def transport(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/v1/generate":
            fetched.append(1)
            return httpx.Response(200, json={"access_token": f"t{len(fetched)}", "expires_in": "3599"})
        status, body = next(replies)
        return httpx.Response(status, json=body)

    client = Daraja(config(), clock=Clock(), transport=httpx.MockTransport(transport))
    first = push(client)
    assert isinstance(first, Refused)
    assert first.later
    assert isinstance(push(client), Accepted)
    assert len(fetched) == 2


@pytest.mark.parametrize("status", [400, 401, 500])
def test_without_a_token_nothing_is_sent(status: int) -> None:
    def transport(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/oauth/v1/generate"
        return httpx.Response(status)

    answer = push(Daraja(config(), clock=Clock(), transport=httpx.MockTransport(transport)))
    assert isinstance(answer, Refused)
    assert (answer.code, answer.later) == ("oauth", True)


def test_no_secret_is_shown_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = daraja(answering(500, {"errorMessage": "the provider's own words"}))
    shown = repr(client) + repr(push(client)) + caplog.text + repr(config().providers["mpesa"])
    assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize("amount", [Money("KES", 1050), Money("USD", 1000), Money("KES", 0)])
def test_a_push_is_for_whole_shillings(amount: Money) -> None:
    client = daraja(answering(200, {}))
    with pytest.raises(BadInput):
        client.stk_push(amount=amount, phone="x", account_reference="x", description="x", callback_path="x")


@pytest.mark.parametrize("url", ["", "ftp://x", "https://user:pw@host", "http://10.0.0.1", "https://host?x=1"])
def test_only_a_plain_https_host_is_called_in_production(url: str) -> None:
    with pytest.raises(Misconfigured):
        require_safe_url(url, production=True)


COMPLETED = {"ReceiptNo": "R1", "TransactionStatus": "Completed", "Amount": "10.0", "CreditPartyName": "600000 - Shop"}


@pytest.mark.parametrize(
    ("code", "changes", "standing"),
    [
        ("0", {}, Standing.COMPLETED),
        ("0", {"TransactionStatus": "Reversed"}, Standing.REVERSED),
        ("0", {"TransactionStatus": "Declined"}, Standing.NOT_PAID),
        ("0", {"TransactionStatus": "Authorized"}, Standing.UNCLEAR),
        ("0", {"TransactionStatus": ""}, Standing.UNCLEAR),
        ("0", {"Amount": ""}, Standing.UNCLEAR),
        ("0", {"Amount": "0"}, Standing.UNCLEAR),
        ("0", {"ReceiptNo": "R2"}, Standing.UNCLEAR),
        ("0", {"CreditPartyName": "700000 - Other"}, Standing.NOT_PAID),
        ("0", {"DebitPartyName": "600000 - Shop", "CreditPartyName": "2547 - JOHN"}, Standing.NOT_PAID),
        ("0", {"CreditPartyName": "Some - Shop"}, Standing.COMPLETED),
        ("R000002", {}, Standing.NOT_PAID),
        ("26", {}, Standing.UNCLEAR),
        ("2001", {}, Standing.UNCLEAR),
    ],
)
def test_what_a_status_query_says_of_a_payment(code: str, changes: dict[str, str], standing: Standing) -> None:
    found = codes.transaction(code, {**COMPLETED, **changes}, receipt="R1", shortcode="600000", currency="KES")
    assert found.standing is standing
    assert (found.paid == Money("KES", 1000)) is (standing is Standing.COMPLETED)
