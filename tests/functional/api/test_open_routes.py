"""Health, metrics, schema, and what the logs of all that show; what is not there until it is switched on."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import httpx
import yaml

from fiatrails.api.openapi.document import as_yaml, document
from fiatrails.engine import heartbeat
from tests.functional.api.live import (
    CLIENT_SECRET,
    CLIENT_SECRET_NEW,
    DJANGO_KEY,
    GATEWAY_SECRET,
    Live,
    callback_body,
    new_intent,
    signed,
)
from tests.kit.processes import ROOT

# What several processes share is a part of what is tested here.
WORKERS = 2


def sample(text: str, series: str) -> float:
    match = re.search(rf"^{re.escape(series)} ([0-9.e+]+)$", text, re.MULTILINE)
    assert match, f"{series} is not exposed"
    return float(match[1])


def test_health_says_what_is_wrong_and_stays_200_while_payments_can_be_taken(http: httpx.Client) -> None:
    started = time.monotonic()
    for path in ("/health", "/health/", "/api/v1/health"):
        answer = http.get(path)
        body = answer.json()
        assert (answer.status_code, body["status"]) == (200, "degraded")
        assert body["rpc"] == {"connected": False, "latency_ms": None}
        assert isinstance(body["queue_depth"], int)
        checks = {"database": "healthy", "redis": "disabled", "rpc": "unhealthy", "worker": "unhealthy"}
        assert body["checks"] == {**checks, "clock": "healthy", "prices": "disabled", "mints": "healthy"}
        assert body["held"] == []
        assert body["reasons"]["worker"] == "loops_silent: advance, lanes, providers, jobs"
        assert body["reasons"]["rpc"] == "rpc_no_answer"
    assert time.monotonic() - started < 10


def test_a_worker_whose_loops_all_beat_is_seen(live: Live, http: httpx.Client) -> None:
    for loop in heartbeat.WORKER_LOOPS:
        live.execute("INSERT INTO engine_heartbeat (name, at) VALUES (%s, %s::timestamptz)", f"{loop}@test:1", _now())
    time.sleep(2.1)
    assert http.get("/health").json()["checks"]["worker"] == "healthy"


def test_a_lane_that_holds_is_in_health_and_in_a_gauge_with_its_reason(live: Live, http: httpx.Client) -> None:
    lane = "0x" + "e1" * 20
    live.execute(
        "INSERT INTO evm_lane (chain_id, address, role, next_nonce, created_at, held, held_since)"
        " VALUES (31337, %s, 'executor', 0, '2026-01-01Z', 'fee_cap: the next block costs 9 wei', '2026-01-02Z')",
        lane,
    )
    try:
        body = _degraded_by_a_hold(http)
        series = f'fiatrails_lanes_held{{address="{lane}",chain="evm:31337",reason="fee_cap",role="executor"}}'
        assert sample(http.get("/metrics").text, series) == 1
    finally:
        live.execute("DELETE FROM evm_lane WHERE address = %s", lane)
    assert (body["status"], body["checks"]["mints"]) == ("degraded", "unhealthy")
    assert body["held"] == [
        {
            "chain": "evm:31337", "address": lane, "role": "executor", "reason": "fee_cap",
            "since": "2026-01-02T00:00:00.000Z",
        }
    ]  # fmt: skip


def _degraded_by_a_hold(http: httpx.Client) -> dict[str, Any]:
    """The answer of /health once it has looked again."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        body: dict[str, Any] = http.get("/health").json()
        if body["held"]:
            return body
        time.sleep(0.1)
    raise AssertionError("/health never says that the lane holds")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def test_metrics_add_up_over_both_workers_and_read_depths_from_the_database(live: Live) -> None:
    with live.client() as http:
        before = http.get("/metrics").text
    for _ in range(12):
        # A connection each, so that both workers get some.
        with live.client() as http:
            assert live.confirm(http, callback_body()).status_code == 200
            assert live.read(http, "/mint-intents").status_code == 200
    live.execute(
        "INSERT INTO engine_dead_letter (operation, subject, attempts, last_error, error_class, created_at,"
        " payload, state, actor, reason) VALUES ('t', 't', 1, '', 't', '2026-01-01Z', '{}', 'open', '', '')"
    )
    with live.client() as http:
        answer = http.get("/metrics")
    after = answer.text
    assert answer.headers["Content-Type"].startswith("text/plain")
    for series in (
        'fiatrails_callbacks_total{source="mpesa",status="unmatched"}',
        'fiatrails_hmac_verifications_total{key="current",result="valid"}',
    ):
        assert sample(after, series) == sample(before, series) + 12
    assert sample(after, "fiatrails_dlq_depth") == sample(before, "fiatrails_dlq_depth") + 1
    assert sample(after, "fiatrails_queue_depth") >= 0
    # The runbook's queries find their series before anything happened.
    for series in (
        'fiatrails_mint_intents_total{status="executed"}',
        'fiatrails_rpc_requests_total{method="eth_call"}',
        'fiatrails_rpc_errors_total{method="eth_call"}',
        'fiatrails_rpc_failures_total{cause="timeout",method="eth_call"}',
    ):
        assert sample(after, series) >= 0


def test_metrics_answer_under_the_prefix_too(http: httpx.Client) -> None:
    assert sample(http.get("/api/v1/metrics").text, "fiatrails_dlq_depth") >= 0


def test_the_served_document_is_the_committed_one(http: httpx.Client) -> None:
    committed = (ROOT / "docs/reference/openapi.yaml").read_bytes()
    assert as_yaml() == committed, "run `python -m django openapi docs/reference/openapi.yaml`"
    assert http.get("/api/v1/schema?format=yaml").content == committed
    assert http.get("/api/v1/schema").json() == yaml.safe_load(committed) == json.loads(json.dumps(document()))


def test_no_secret_and_no_phone_number_is_ever_logged(live: Live, http: httpx.Client) -> None:
    phone = "254798765432"
    live.confirm(http, callback_body(phone=phone))
    live.confirm(http, callback_body(phone="x"))
    live.make(http, new_intent())
    live.make(http, b"{", secret="wrong-secret-0123456789abcdefghijklmnop")
    for leaky in (CLIENT_SECRET, GATEWAY_SECRET, phone):
        http.get(f"/{leaky}", headers=signed(X_Request_Id=leaky[:20]) | {"X-Key-Id": leaky})
    http.get("/health")
    log = live.log_path.read_text()
    password = live.database_url.split(":")[2].split("@")[0]
    for secret in (CLIENT_SECRET, CLIENT_SECRET_NEW, GATEWAY_SECRET, DJANGO_KEY, password, phone):
        assert secret not in log
    lines = [json.loads(line) for line in log.splitlines()]
    access = [line for line in lines if line["event"] == "http.request"]
    assert {"method", "route", "status", "ms", "request_id", "level", "at"} <= set(access[-1])
    assert not any(line["route"] == "metrics" for line in access)
    assert any(line.get("intent_id") for line in access), "an answer about an intent names it in the log"


def test_switched_off_a_server_knows_nothing_of_the_admin(http: httpx.Client) -> None:
    for path in ("/admin", "/admin/", "/admin/login/", "/admin/static/admin/css/base.css"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
        assert "set-cookie" not in answer.headers


def test_switched_off_the_restriction_by_country_asks_nobody(http: httpx.Client) -> None:
    answer = http.get("/api/v1/mint-intents", headers={"X-Forwarded-For": "nonsense", "CF-IPCountry": "KP"})
    assert answer.status_code == 401
