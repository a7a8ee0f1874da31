"""Confirmations of the signing gateway, over HTTP."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.functional.api.live import Live, callback_body, new_intent

# What several processes share is a part of what is tested here.
WORKERS = 2


@pytest.mark.parametrize("path", ["/api/v1/callbacks/mpesa", "/callbacks/mpesa"])
def test_a_payment_for_a_known_tx_ref_is_applied(live: Live, http: httpx.Client, path: str) -> None:
    intent = new_intent()
    intent_id = live.make(http, intent).json()["intentId"]
    body = callback_body(txRef=intent["txRef"])
    answer = live.confirm(http, body)
    assert (answer.status_code, answer.json()) == (200, {"status": "processed", "intentId": intent_id})
    again = live.confirm(http, body)
    assert again.json() == {"status": "already_processed", "intentId": intent_id}
    assert live.rows("SELECT state FROM purchases_purchase WHERE intent_id = %s", intent_id) == [("paid",)]


def test_a_payment_for_an_unknown_tx_ref_is_kept_and_matched_when_the_intent_arrives(
    live: Live, http: httpx.Client
) -> None:
    body = callback_body()
    assert live.confirm(http, body).json() == {"status": "processed", "intentId": None}
    intent_id = live.make(http, new_intent(txRef=body["txRef"])).json()["intentId"]
    assert live.rows("SELECT state FROM purchases_purchase WHERE intent_id = %s", intent_id) == [("paid",)]
    assert live.confirm(http, body).json() == {"status": "already_processed", "intentId": intent_id}


def test_fifty_identical_callbacks_at_once_are_processed_once(live: Live, http: httpx.Client) -> None:
    intent = new_intent()
    intent_id = live.make(http, intent).json()["intentId"]
    body = callback_body(txRef=intent["txRef"])

    def send(_: int) -> tuple[int, str]:
        with live.client() as mine:
            answer = live.confirm(mine, body)
            return answer.status_code, answer.json()["status"]

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    assert sorted(answers) == [(200, "already_processed")] * 49 + [(200, "processed")]
    assert live.rows("SELECT fiat_paid FROM purchases_purchase WHERE intent_id = %s", intent_id) == [(150_000,)]
    assert live.rows("SELECT count(*) FROM rb_core_payment WHERE tx_ref = %s", body["txRef"]) == [(1,)]


def test_the_same_event_with_other_content_is_quarantined(live: Live, http: httpx.Client) -> None:
    body = callback_body()
    assert live.confirm(http, body).status_code == 200
    answer = live.confirm(http, {**body, "amount": "1501.00"})
    assert (answer.status_code, answer.json()["error"]) == (409, "callback_conflict")
    assert (
        len(
            live.rows("SELECT 1 FROM rb_core_inbox_conflict WHERE event_key LIKE %s", f"%{body['metadata']['receipt']}")
        )
        == 1
    )


def test_the_content_type_of_a_signed_confirmation_does_not_matter(live: Live, http: httpx.Client) -> None:
    from tests.functional.api.live import GATEWAY_SECRET, hex_hmac

    raw = json.dumps(callback_body()).encode()
    headers = {"X-Mpesa-Signature": hex_hmac(GATEWAY_SECRET, raw), "Content-Type": "text/plain"}
    assert http.post("/api/v1/callbacks/mpesa", content=raw, headers=headers).status_code == 200


def test_degraded_mode_refuses_callbacks_and_takes_intents(live: Live, http: httpx.Client) -> None:
    live.execute(
        "INSERT INTO controls_mode (name, active, owner, reason, set_at)"
        " VALUES ('degraded', true, 't', 't', '2026-01-01Z')"
        " ON CONFLICT (name, scope) DO UPDATE SET active = true"
    )
    time.sleep(1.2)
    try:
        before = live.counts()
        refused = live.confirm(http, callback_body())
        assert (refused.status_code, refused.json()["error"]) == (503, "degraded")
        assert int(refused.headers["Retry-After"]) > 0
        assert live.counts() == before
        assert live.make(http, new_intent()).status_code == 201
        health = http.get("/health")
        assert (health.status_code, health.json()["status"], health.json()["modes"]) == (200, "degraded", ["degraded"])
    finally:
        live.execute("UPDATE controls_mode SET active = false")
        time.sleep(1.2)


def test_a_restart_of_the_database_costs_at_most_503s(
    live: Live, http: httpx.Client, postgres: EmbeddedPostgres
) -> None:
    assert live.confirm(http, callback_body()).status_code == 200
    postgres.stop("immediate")
    refused = live.confirm(http, callback_body())
    assert (refused.status_code, refused.json()["error"]) == (503, "database_unavailable")
    assert refused.headers["Retry-After"]
    down = http.get("/health")
    assert (down.status_code, down.json()["checks"]["database"]) == (503, "unhealthy")
    assert http.get("/metrics").status_code == 200
    assert live.make(http, new_intent()).status_code == 503
    postgres.start()
    time.sleep(1.1)
    assert live.confirm(http, callback_body()).status_code == 200
    assert live.make(http, new_intent()).status_code == 201


def test_an_immediate_restart_is_not_noticed_by_the_next_callback(
    live: Live, http: httpx.Client, postgres: EmbeddedPostgres
) -> None:
    assert live.confirm(http, callback_body()).status_code == 200
    postgres.stop("immediate")
    postgres.start()
    assert [live.confirm(http, callback_body()).status_code for _ in range(4)] == [200] * 4
