"""The kit is enough: a toy provider on it is charged, tells of it, and breaks on request."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.sandbox import toy
from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.receiver import Receiver


@contextmanager
def running(receiver: Receiver, state_dir: Path) -> Iterator[httpx.Client]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ["--port", str(port), "--callback-url", receiver.url, "--state-dir", str(state_dir), "--seed", "7"]
    ready_url = f"{url}/_sandbox/health"
    with (
        python_module("tests.integration.sandbox.toy", arguments, ready_url=ready_url) as process,
        httpx.Client(base_url=url, timeout=10, verify=False) as http,
    ):
        yield http
    assert process.returncode == 0


@pytest.fixture
def http(receiver: Receiver, tmp_path: Path) -> Iterator[httpx.Client]:
    with running(receiver, tmp_path) as http:
        yield http


def requests(http: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get("/_sandbox/requests").json()["requests"]
    return found


def test_the_toy_is_short() -> None:
    assert len(Path(toy.__file__).read_text().splitlines()) < 60


def test_a_charge_is_told_later_by_a_signed_webhook(http: httpx.Client, receiver: Receiver) -> None:
    http.post("/_sandbox/faults", json={"delayMs": 200})
    charged_at = time.time()
    assert http.post("/charges/c1", json={"cents": 150}).status_code == 201
    [webhook] = receiver.wait("/hook")
    assert webhook.at - charged_at >= 0.2
    assert (webhook.json["id"], webhook.json["cents"]) == ("c1", 150)
    assert webhook.headers["x-toy"] == hmac.new(b"secret", webhook.body, hashlib.sha256).hexdigest()
    assert webhook.headers["user-agent"] == "toy-sandbox"


def test_a_dropped_reply_is_in_the_log_of_requests_and_its_charge_was_made(
    http: httpx.Client, receiver: Receiver
) -> None:
    http.post("/_sandbox/faults", json={"replyLostNext": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        http.post("/charges/c1", json={"cents": 150})
    [lost] = requests(http)
    assert (lost["method"], lost["path"], lost["body"]) == ("POST", "/charges/c1", '{"cents":150}')
    assert (lost["outcome"], lost["httpStatus"], lost["reply"]["id"]) == ("lost", 201, "c1")
    assert receiver.wait("/hook")[0].json["id"] == "c1"


def test_a_refused_and_a_failed_request_are_in_the_log(http: httpx.Client) -> None:
    assert http.get("/charges/c1").json() == {"toy": "/charges/c1"}
    assert http.post("/charges/c2", content=b"{").status_code == 500
    assert [(entry["outcome"], entry["httpStatus"]) for entry in requests(http)] == [("answered", 405), ("failed", 500)]


def test_a_webhook_is_repeated_until_it_is_accepted(http: httpx.Client, receiver: Receiver) -> None:
    receiver.answer = lambda received: (503 if len(receiver.all(received.path)) < 3 else 202, {})
    http.post("/charges/c1", json={"cents": 150})
    assert len({webhook.body for webhook in receiver.wait("/hook", 3)}) == 1
    statuses = [delivery["httpStatus"] for delivery in http.get("/_sandbox/deliveries?key=c1").json()["deliveries"]]
    assert statuses[:2] == [503, 503]


def test_webhooks_leave_in_another_order(http: httpx.Client, receiver: Receiver) -> None:
    http.post("/_sandbox/faults", json={"reorder": 4})
    charges = [f"c{number}" for number in range(4)]
    for charge in charges:
        http.post(f"/charges/{charge}", json={"cents": 150})
    arrived = [webhook.json["id"] for webhook in receiver.wait("/hook", 4)]
    assert arrived != charges
    assert sorted(arrived) == charges


def test_only_the_paths_named_lose_their_replies(http: httpx.Client) -> None:
    http.post("/_sandbox/faults", json={"replyLostRate": 1, "paths": ["/charges/c2"]})
    assert http.post("/charges/c1", json={"cents": 150}).status_code == 201
    with pytest.raises(httpx.RemoteProtocolError):
        http.post("/charges/c2", json={"cents": 150})
