"""Reading bodies, addresses and cursors; masking log lines; bounding checks that hang."""

from __future__ import annotations

import io
import json
import logging
import threading
import time

import pytest
import structlog
from django.test import RequestFactory

from fiatrails.api.bodies import MAX_BODY_BYTES, parse_object, raw_body
from fiatrails.api.errors import TooLarge
from fiatrails.api.open.probe import Probe, ProbeResult
from fiatrails.config.env import Environment
from fiatrails.config.logging import secrets_of
from fiatrails.kernel import log as product_log
from fiatrails.kernel.client_address import client_address
from fiatrails.kernel.errors import BadInput


def request_with(body: bytes, **environ: object) -> object:
    request = RequestFactory().post("/", data=b"", content_type="application/json")
    request.META.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), **environ})
    return request


def test_a_body_of_exactly_the_limit_is_read_once() -> None:
    request = request_with(b"x" * MAX_BODY_BYTES)
    assert raw_body(request) is raw_body(request)  # type: ignore[arg-type]
    with pytest.raises(TooLarge):
        raw_body(request_with(b"x" * (MAX_BODY_BYTES + 1)))  # type: ignore[arg-type]


def test_a_chunked_body_is_read_up_to_the_limit() -> None:
    chunked = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "Chunked"}
    assert raw_body(request_with(b"abc", **chunked)) == b"abc"  # type: ignore[arg-type]
    with pytest.raises(TooLarge):
        raw_body(request_with(b"x" * (MAX_BODY_BYTES + 1), **chunked))  # type: ignore[arg-type]


@pytest.mark.parametrize("length", ["10", "-1", "1e3", "٣"])
def test_a_length_that_lies_is_refused(length: str) -> None:
    with pytest.raises(BadInput):
        raw_body(request_with(b"abc", CONTENT_LENGTH=length))  # type: ignore[arg-type]


def test_numbers_with_a_fraction_stay_exact() -> None:
    assert str(parse_object(b'{"a": 0.1000000000000000055}')["a"]) == "0.1000000000000000055"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        ((), "203.0.113.9", "10.0.0.1"),
        (("10.0.0.0/8",), "203.0.113.9", "203.0.113.9"),
        (("10.0.0.0/8",), "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        (("10.0.0.0/8",), "1.2.3.4, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        (("192.0.2.0/24",), "1.2.3.4", "10.0.0.1"),
        (("10.0.0.0/8",), "", "10.0.0.1"),
        (("10.0.0.0/8",), "nonsense", "unreadable"),
    ],
)
def test_a_forwarded_address_counts_only_behind_our_own_proxies(
    settings: object, proxies: tuple[str, ...], forwarded: str, expected: str
) -> None:
    settings.TRUSTED_PROXIES = proxies  # type: ignore[attr-defined]
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == expected


@pytest.fixture
def lines() -> object:
    """What a configured log writes; the configuration is undone afterwards."""
    stream = io.StringIO()
    handlers, level = logging.root.handlers[:], logging.root.level
    secrets = ["hunter2-hunter2", 'quote"and\\slash', "short"]
    product_log.configure(as_json=True, secrets=secrets, stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_secrets_and_phones_are_masked_wherever_they_appear(lines: io.StringIO) -> None:
    log = structlog.get_logger("t")
    try:
        raise ValueError("hunter2-hunter2")
    except ValueError:
        log.exception("failed hunter2-hunter2", url="http://u:hunter2-hunter2@x", nested={"deep": 'quote"and\\slash'})
    log.info(
        "said",
        api_secret="anything",
        signature="abc",
        token_right=True,
        phone="254712345678",
        note="call +254712345678",
    )
    logging.getLogger("library").warning("from %s", "hunter2-hunter2")
    text = lines.getvalue()
    assert "hunter2-hunter2" not in text
    assert "slash" not in text
    assert "254712345678" not in text
    first, second, third = (json.loads(line) for line in text.splitlines())
    assert "ValueError" in first["exception"]
    assert (second["api_secret"], second["signature"], second["token_right"]) == ("[masked]", "[masked]", True)
    assert (second["phone"], second["note"]) == ("25471*****78", "call +25471*****78")
    assert third["event"] == "from [masked]"


def test_hashes_and_amounts_are_not_taken_for_phones() -> None:
    redact = product_log.line_redactor([])
    for text in ("0x254712345678aa", "1254712345678", "2547123456789", "a254712345678"):
        assert redact(text) == text


def test_every_secret_of_the_environment_is_known_to_the_log() -> None:
    environment = Environment(
        database_url="postgresql://u:p4ssw0rd-here@h/db",
        rpc_url="https://u:rpc-pass@x/v2/rpc-key?k=query-key",
        hmac_secret="first-secret",
        mpesa_passkey="pass-key-1",
    )
    assert {"p4ssw0rd-here", "rpc-pass", "v2/rpc-key", "k=query-key", "first-secret", "pass-key-1"} <= set(
        secrets_of(environment)
    )


def test_a_check_that_hangs_delays_nobody_and_is_not_piled_up() -> None:
    release, started = threading.Event(), []

    def hang() -> ProbeResult:
        started.append(1)
        release.wait(10)
        return ProbeResult("healthy")

    probe = Probe("hanging", hang, fresh_for_s=60)
    for _ in range(3):
        probe.start()
        before = time.monotonic()
        assert probe.result(deadline=before + 0.05).state == "unhealthy"
        assert time.monotonic() - before < 1
    assert len(started) == 1
    release.set()
    assert probe.result(deadline=time.monotonic() + 5).state == "healthy"
    probe.start()
    assert len(started) == 1, "the result is still fresh"


def test_a_check_that_raises_is_unhealthy() -> None:
    def fail() -> ProbeResult:
        raise RuntimeError("no")

    probe = Probe("failing", fail, fresh_for_s=60)
    probe.start()
    assert probe.result(deadline=time.monotonic() + 5).state == "unhealthy"
