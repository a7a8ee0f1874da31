"""Every bad request gets its documented 4xx with a message and an id, and changes nothing."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.functional.api.live import GATEWAY_SECRET, Live, callback_body, hex_hmac, new_intent, signed

TOO_LARGE = b'{"a":"' + b"x" * 65_536 + b'"}'
NESTED = b"[" * 60_000
# Body -> (status, error) for a signed POST /mint-intents.
INTENT_BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "malformed_json"),
    "not json": (b"{", 400, "malformed_json"),
    "array": (b"[]", 400, "malformed_json"),
    "null": (b"null", 400, "malformed_json"),
    "two documents": (b"{}{}", 400, "malformed_json"),
    "not utf-8": (b'{"user":"\xff\xfe"}', 400, "malformed_json"),
    "utf-16": (json.dumps(new_intent()).encode("utf-16"), 400, "malformed_json"),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(new_intent()).encode(), 400, "malformed_json"),
    "nan": (b'{"amount": NaN}', 400, "malformed_json"),
    "repeated key": (b'{"txRef":"a","txRef":"b"}', 400, "malformed_json"),
    "repeated key inside": (b'{"fiatAmount":{"value":"1","value":"2"}}', 400, "malformed_json"),
    "deep": (NESTED, 400, "malformed_json"),
    "huge integer": (b'{"user":' + b"9" * 5000 + b"}", 400, "malformed_json"),
    "too large": (TOO_LARGE, 413, "body_too_large"),
    "no user": (json.dumps(new_intent(user=None)).encode(), 400, "malformed_address"),
    "user of 19 bytes": (json.dumps(new_intent(user="0x" + "a" * 38)).encode(), 400, "malformed_address"),
    "user is zero": (json.dumps(new_intent(user="0x" + "0" * 40)).encode(), 400, "zero_address"),
    "user is a number": (json.dumps(new_intent(user=1)).encode(), 400, "malformed_address"),
    "amount is a number": (json.dumps(new_intent(amount=10**18)).encode(), 400, "malformed_amount"),
    "amount is zero": (json.dumps(new_intent(amount="0")).encode(), 400, "malformed_amount"),
    "amount is negative": (json.dumps(new_intent(amount="-1")).encode(), 400, "malformed_amount"),
    "amount has a point": (json.dumps(new_intent(amount="1.5")).encode(), 400, "malformed_amount"),
    "amount in other digits": (json.dumps(new_intent(amount="١٥٠٠")).encode(), 400, "malformed_amount"),
    "amount is beyond 2^256": (json.dumps(new_intent(amount="9" * 78)).encode(), 400, "amount_out_of_range"),
    "amount is not payable": (json.dumps(new_intent(amount=str(10**18 + 1))).encode(), 400, "amount_not_payable"),
    "amount above maximum": (json.dumps(new_intent(amount=str(10**27))).encode(), 422, "above_maximum"),
    "country in lower case": (json.dumps(new_intent(countryCode="kes")).encode(), 400, "malformed_field"),
    "country not served": (json.dumps(new_intent(countryCode="UGA")).encode(), 400, "unknown_country"),
    "txRef is empty": (json.dumps(new_intent(txRef="")).encode(), 400, "malformed_tx_ref"),
    "txRef with NUL": (json.dumps(new_intent(txRef="a\0b")).encode(), 400, "malformed_tx_ref"),
    "txRef with a lone surrogate": (b'{"txRef":"\\ud800"}', 400, "malformed_address"),
    "txRef only a lone surrogate wrong": (
        json.dumps(new_intent()).replace("T-", "\\ud800").encode(),
        400,
        "malformed_tx_ref",
    ),
    "txRef too long": (json.dumps(new_intent(txRef="x" * 129)).encode(), 400, "malformed_tx_ref"),
    "txRef is a list": (json.dumps(new_intent(txRef=[])).encode(), 400, "malformed_tx_ref"),
    "fiat value is a number": (
        json.dumps(new_intent(fiatAmount={"currency": "KES", "value": 5})).encode(),
        400,
        "malformed_fiat_amount",
    ),
    "fiat in another currency": (
        json.dumps(new_intent(fiatAmount={"currency": "USD", "value": "5"})).encode(),
        400,
        "wrong_currency",
    ),
    "fiat of unknown currency": (
        json.dumps(new_intent(fiatAmount={"currency": "XXX", "value": "5"})).encode(),
        400,
        "unknown_currency",
    ),
    "payer is a string": (json.dumps(new_intent(payer="Jane")).encode(), 400, "malformed_payer"),
    "payer has no name": (json.dumps(new_intent(payer={"type": "person"})).encode(), 400, "malformed_payer"),
    "payer's name is blank": (json.dumps(new_intent(payer={"name": " "})).encode(), 400, "malformed_payer_name"),
    "payer's name with NUL": (json.dumps(new_intent(payer={"name": "a\0"})).encode(), 400, "malformed_payer_name"),
    "payer's name too long": (json.dumps(new_intent(payer={"name": "x" * 501})).encode(), 400, "malformed_payer_name"),
    "payer's birth under another name": (
        json.dumps(new_intent(payer={"name": "A", "bornOn": "1991-04-02"})).encode(),
        400,
        "malformed_payer",
    ),
    "payer is a ship": (json.dumps(new_intent(payer={"name": "A", "type": "vessel"})).encode(), 400, "malformed_payer"),
    "payer born on no day": (
        json.dumps(new_intent(payer={"name": "A", "birthDate": "1991-02-30"})).encode(),
        400,
        "malformed_payer",
    ),
    "payer born tomorrow": (
        json.dumps(new_intent(payer={"name": "A", "birthDate": "2999-01-01"})).encode(),
        400,
        "malformed_birth_date",
    ),
    "payer of no country": (
        json.dumps(new_intent(payer={"name": "A", "countries": ["XX"]})).encode(),
        400,
        "malformed_country",
    ),
    "payer's ids not in a list": (
        json.dumps(new_intent(payer={"name": "A", "ids": "123"})).encode(),
        400,
        "malformed_payer",
    ),
    "payer's surrogate": (
        json.dumps(new_intent(payer={"name": "A\ud800"})).encode(),
        400,
        "malformed_payer_name",
    ),
    "fiat too precise": (
        json.dumps(new_intent(fiatAmount={"currency": "KES", "value": "5.001"})).encode(),
        400,
        "amount_too_precise",
    ),
}


def callback_bodies() -> dict[str, tuple[bytes, int]]:
    """Made when a test asks: a body that was signed minutes ago is refused for its age alone."""
    return {
        "empty": (b"", 400),
        "array": (b"[]", 400),
        "not utf-8": (b'{"txRef":"\xff"}', 400),
        "nan": (b'{"amount": NaN}', 400),
        "repeated key": (b'{"amount": 1, "amount": 2}', 400),
        "deep": (NESTED, 400),
        "too large": (TOO_LARGE, 413),
        "huge exponent": (json.dumps(callback_body()).replace('"1500.00"', "1e999999999").encode(), 400),
        "amount is zero": (json.dumps(callback_body(amount="0")).encode(), 400),
        "amount is a boolean": (json.dumps(callback_body(amount=True)).encode(), 400),
        "amount too precise": (json.dumps(callback_body(amount="1.001")).encode(), 400),
        "amount beyond bounds": (json.dumps(callback_body(amount="9" * 30)).encode(), 400),
        "txRef with NUL": (json.dumps(callback_body(txRef="a\0")).encode(), 400),
        "phone is a list": (json.dumps(callback_body(phone=[])).encode(), 400),
        "timestamp is text": (json.dumps(callback_body(timestamp="now")).encode(), 400),
        "timestamp is huge": (json.dumps(callback_body(timestamp=10**30)).encode(), 400),
        "stale": (json.dumps(callback_body(timestamp=int(time.time()) - 4000)).encode(), 401),
        "from the future": (json.dumps(callback_body(timestamp=int(time.time()) + 4000)).encode(), 401),
        "metadata is text": (json.dumps(callback_body(metadata="x")).encode(), 400),
        "receipt is a number": (json.dumps(callback_body(metadata={"receipt": 5})).encode(), 400),
    }


BAD_CALLBACKS = sorted(callback_bodies())


@pytest.fixture(scope="module")
def session(live: Live) -> Iterator[psycopg.Connection]:
    """For looking at the tables; making one for each look would be most of what this module does."""
    with psycopg.connect(live.database_url, autocommit=True) as session:
        yield session


@pytest.fixture(autouse=True)
def _unchanged(live: Live, session: psycopg.Connection) -> Iterator[None]:
    """Whatever a test of this module sends, no table changes."""
    before = live.counts(session)
    yield
    assert live.counts(session) == before


def refused(answer: httpx.Response, status: int, error: str = "") -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert {"error", "message", "requestId"} <= set(body)
    assert body["message"]
    assert body["requestId"] == answer.headers["X-Request-Id"]
    if error:
        assert body["error"] == error
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("name", INTENT_BODIES)
def test_a_bad_intent_is_refused(live: Live, http: httpx.Client, name: str) -> None:
    raw, status, error = INTENT_BODIES[name]
    refused(live.make(http, raw), status, error)


@pytest.mark.parametrize("name", BAD_CALLBACKS)
def test_a_bad_callback_is_refused(live: Live, http: httpx.Client, name: str) -> None:
    raw, status = callback_bodies()[name]
    refused(live.confirm(http, raw), status)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_an_intent_that_is_not_declared_as_json_is_refused(live: Live, http: httpx.Client, content_type: str) -> None:
    headers = {"X_Idempotency_Key": uuid.uuid4().hex, "Content_Type": content_type}
    refused(live.make(http, new_intent(), **headers), 415, "wrong_media_type")


@pytest.mark.parametrize("key", ["", "short", "x" * 129, "with blank 0123456789", "naïve-0123456789-é"])
def test_a_bad_idempotency_key_is_refused(live: Live, http: httpx.Client, key: str) -> None:
    raw = json.dumps(new_intent()).encode()
    headers = signed(raw) | ({"X-Idempotency-Key": key.encode("latin-1")} if key else {})
    refused(http.post("/api/v1/mint-intents", content=raw, headers=headers), 400, "malformed_idempotency_key")


def without(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: {key: value for key, value in headers.items() if key != name}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (without("X-Request-Signature"), "unsigned"),
        (without("X-Request-Timestamp"), "unsigned"),
        (lambda headers: headers | {"X-Request-Signature": "0" * 64}, "bad_signature"),
        (lambda headers: headers | {"X-Request-Signature": b"\xff\xfe"}, "bad_signature"),
        (lambda headers: headers | {"X-Request-Timestamp": "now"}, "malformed_timestamp"),
        (lambda headers: headers | {"X-Request-Timestamp": "-5"}, "malformed_timestamp"),
        (lambda headers: headers | {"X-Request-Timestamp": str(int(time.time()) + 1)}, "bad_signature"),
        (lambda headers: headers | {"X-Key-Id": "nobody"}, "bad_signature"),
        (lambda headers: headers | {"X-Key-Id": "a\tb"}, "bad_signature"),
    ],
)
def test_a_request_that_proves_nothing_is_refused(
    http: httpx.Client, change: Callable[[dict[str, str]], dict[str, str]], error: str
) -> None:
    raw = json.dumps(new_intent()).encode()
    headers = change(signed(raw, X_Idempotency_Key=uuid.uuid4().hex))
    refused(http.post("/api/v1/mint-intents", content=raw, headers=headers), 401, error)


@pytest.mark.parametrize("seconds", [-301, 302, -86_400, 10**9])
def test_a_signature_outside_of_the_window_is_refused(live: Live, http: httpx.Client, seconds: int) -> None:
    raw = json.dumps(new_intent()).encode()
    headers = signed(raw, at=int(time.time()) + seconds, X_Idempotency_Key=uuid.uuid4().hex)
    refused(http.post("/api/v1/mint-intents", content=raw, headers=headers), 401, "stale_timestamp")


def test_a_callback_without_or_with_a_wrong_signature_is_refused(live: Live, http: httpx.Client) -> None:
    raw = json.dumps(callback_body()).encode()
    refused(http.post("/callbacks/mpesa", content=raw), 401, "bad_signature")
    refused(live.confirm(http, raw, secret="another-secret-0123456789abcdefghij"), 401, "bad_signature")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=%D9%A5",
        "status=paid",
        "cursor=abc",
        "cursor=%FF",
        "cursor=YmVmb3JlOjA=",
        "createdAfter=yesterday",
        "createdAfter=2026-01-01",
        "createdBefore=2026-01-01T00:00:00",
        "user=0x12",
        "txRef=%00",
        "txRef=",
        "createdAfter=9999-12-31T23:59:59-23:59",
        "createdBefore=0001-01-01T00:00:00%2B23:59",
    ],
)
def test_a_bad_filter_is_refused(live: Live, http: httpx.Client, query: str) -> None:
    refused(live.read(http, f"/api/v1/mint-intents?{query}"), 400)


@pytest.mark.parametrize("intent_id", ["0x12", "%00", "x" * 3000, "0x" + "g" * 64, "%FF", "..", "0x" + "0" * 64])
def test_an_intent_that_does_not_exist_is_not_found(live: Live, http: httpx.Client, intent_id: str) -> None:
    refused(live.read(http, f"/api/v1/mint-intents/{intent_id}"), 404)


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1/mint-intents/", "/callbacks/mpesa/wrong-token/stk", "/%00", "/%FF"]
)
def test_an_unknown_address_is_not_found(http: httpx.Client, path: str) -> None:
    refused(http.post(path, content=b"{}"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/mint-intents", "GET, POST"),
        ("DELETE", "/mint-intents/0x00", "GET"),
        ("OPTIONS", "/api/v1/mint-intents", "GET, POST"),
        ("GET", "/api/v1/callbacks/mpesa", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/api/v1/schema", "GET, HEAD"),
    ],
)
def test_another_method_is_refused_with_those_that_are_allowed(
    http: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = http.request(method, path)
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


def raw_request(live: Live, head: str, body: bytes) -> bytes:
    """Sends bytes as they are and reads until the server closes or has answered."""
    host, port = urlsplit(live.url).hostname, urlsplit(live.url).port
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return connection.recv(65_536)


def test_a_chunked_body_is_bounded_too(live: Live) -> None:
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    head = "POST /callbacks/mpesa HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nX-Mpesa-Signature: 00"
    assert b" 413 " in raw_request(live, head, chunk * 3 + b"0\r\n\r\n").split(b"\r\n")[0]


def test_a_length_that_lies_beyond_the_limit_is_refused_without_reading(live: Live) -> None:
    head = "POST /callbacks/mpesa HTTP/1.1\nHost: x\nContent-Length: 99999999999999999999\nX-Mpesa-Signature: 00"
    assert b" 413 " in raw_request(live, head, b"").split(b"\r\n")[0]


def test_a_broken_host_or_request_id_does_no_harm(live: Live) -> None:
    answer = raw_request(live, "GET /nothing HTTP/1.1\nHost: a b$\nX-Request-Id: <script>\n", b"")
    assert b" 404 " in answer.split(b"\r\n")[0] or b" 400 " in answer.split(b"\r\n")[0]
    assert b"script" not in answer


def test_a_sane_request_id_is_kept(http: httpx.Client) -> None:
    assert http.get("/nothing", headers={"X-Request-Id": "trace-0123.abc"}).headers["X-Request-Id"] == "trace-0123.abc"


def test_a_callback_with_the_secret_of_a_client_is_refused(live: Live, http: httpx.Client) -> None:
    raw = json.dumps(callback_body()).encode()
    headers = signed(raw) | {"X-Mpesa-Signature": hex_hmac("client-secret-current-0123456789abcdefgh", raw)}
    refused(http.post("/callbacks/mpesa", content=raw, headers=headers), 401)
    assert GATEWAY_SECRET not in raw.decode()
