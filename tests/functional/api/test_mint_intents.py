"""Mint intents over HTTP: fields, idempotency, lists."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.functional.api.live import TOKENS, USER, Live, hex_hmac, new_intent, signed

# What several processes share is a part of what is tested here.
WORKERS = 2


@pytest.mark.parametrize("path", ["/api/v1/mint-intents", "/mint-intents"])
def test_an_intent_is_made_and_read_with_exactly_the_documented_fields(
    live: Live, http: httpx.Client, path: str
) -> None:
    body = new_intent(user="0x00000000000000000000000000000000000000AB")
    raw = json.dumps(body).encode()
    made = http.post(path, content=raw, headers=signed(raw, X_Idempotency_Key=uuid.uuid4().hex))
    assert made.status_code == 201, made.text
    assert set(made.json()) == {"intentId", "status", "txHash", "createdAt"}
    assert made.json()["status"] == "pending"
    assert made.json()["txHash"] is None
    read = live.read(http, f"{path}/{made.json()['intentId']}")
    assert read.status_code == 200
    assert read.json() == {
        "intentId": made.json()["intentId"],
        "user": USER[:-2] + "ab",
        "amount": str(1500 * TOKENS),
        "countryCode": "KES",
        "txRef": body["txRef"],
        "status": "pending",
        "txHash": None,
        "createdAt": made.json()["createdAt"],
        "executedAt": None,
    }


def test_the_same_key_and_body_are_answered_as_before_and_marked(live: Live, http: httpx.Client) -> None:
    body, key = new_intent(), uuid.uuid4().hex
    first = live.make(http, body, X_Idempotency_Key=key)
    again = live.make(http, json.dumps(body, indent=1).encode(), X_Idempotency_Key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers


def test_the_same_key_with_another_body_is_refused_and_changes_nothing(live: Live, http: httpx.Client) -> None:
    key = uuid.uuid4().hex
    assert live.make(http, new_intent(), X_Idempotency_Key=key).status_code == 201
    before = live.counts()
    refused = live.make(http, new_intent(), X_Idempotency_Key=key)
    assert (refused.status_code, refused.json()["error"]) == (422, "idempotency_key_reused")
    assert live.counts() == before


def test_a_key_is_free_again_after_a_refusal(live: Live, http: httpx.Client) -> None:
    key = uuid.uuid4().hex
    assert live.make(http, new_intent(amount="1"), X_Idempotency_Key=key).status_code == 400
    assert live.make(http, new_intent(amount=str(10**30)), X_Idempotency_Key=key).status_code == 422
    assert live.make(http, new_intent(), X_Idempotency_Key=key).status_code == 201


def test_one_key_sent_twenty_times_at_once_makes_one_intent(live: Live) -> None:
    body, key = new_intent(), uuid.uuid4().hex

    def send(_: int) -> httpx.Response:
        with live.client() as http:
            return live.make(http, body, X_Idempotency_Key=key)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(send, range(20)))
    made = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in made}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in made) == 1
    assert live.rows("SELECT count(*) FROM purchases_purchase WHERE tx_ref = %s", body["txRef"]) == [(1,)]


def test_a_key_in_flight_is_refused_with_a_time_to_come_back(live: Live, http: httpx.Client) -> None:
    key = uuid.uuid4().hex
    with psycopg.connect(live.database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 4712))", [f"default {key}"])
        refused = live.make(http, new_intent(), X_Idempotency_Key=key)
    assert (refused.status_code, refused.json()["error"]) == (409, "request_in_flight")
    assert refused.headers["Retry-After"] == "1"
    assert live.make(http, new_intent(), X_Idempotency_Key=key).status_code == 201


def test_a_used_tx_ref_answers_with_the_existing_intent(live: Live, http: httpx.Client) -> None:
    body = new_intent()
    first = live.make(http, body).json()
    refused = live.make(http, body)
    assert (refused.status_code, refused.json()["error"]) == (409, "tx_ref_used")
    assert refused.json()["intentId"] == first["intentId"] == refused.json()["intent"]["intentId"]


def test_an_expired_key_may_be_used_for_another_body(live: Live, http: httpx.Client) -> None:
    key = uuid.uuid4().hex
    assert live.make(http, new_intent(), X_Idempotency_Key=key).status_code == 201
    live.execute("UPDATE idempotency_keys SET expires_at = created_at WHERE key = %s", key)
    fresh = live.make(http, new_intent(), X_Idempotency_Key=key)
    assert fresh.status_code == 201
    assert "Idempotent-Replayed" not in fresh.headers


def test_a_list_is_walked_page_by_page_without_gaps_or_repetition(live: Live, http: httpx.Client) -> None:
    user = "0x" + uuid.uuid4().hex + "0" * 8
    made = [live.make(http, new_intent(user=user)).json()["intentId"] for _ in range(5)]
    seen, cursor = [], ""
    while True:
        page = live.read(http, f"/api/v1/mint-intents?user={user}&limit=2{cursor}").json()
        seen += [item["intentId"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == made[::-1]


def test_a_list_is_filtered_by_status_tx_ref_and_time(live: Live, http: httpx.Client) -> None:
    body = new_intent()
    made = live.make(http, body).json()

    def found(query: str) -> list[str]:
        answer = live.read(http, f"/api/v1/mint-intents?txRef={body['txRef']}&{query}")
        assert answer.status_code == 200, answer.text
        return [item["intentId"] for item in answer.json()["items"]]

    assert found("status=pending") == [made["intentId"]]
    assert found("status=executed") == []
    assert found("createdAfter=2020-01-01T00:00:00Z&createdBefore=2100-01-01T00:00:00%2B03:00") == [made["intentId"]]
    assert found("createdAfter=2100-01-01T00:00:00Z") == []


def test_another_clients_intent_is_not_found(live: Live, http: httpx.Client) -> None:
    made = live.make(http, new_intent()).json()["intentId"]
    live.execute("UPDATE purchases_purchase SET client = 'somebody-else' WHERE intent_id = %s", made)
    assert live.read(http, f"/api/v1/mint-intents/{made}").status_code == 404


def test_signatures_over_other_bytes_do_not_count(live: Live, http: httpx.Client) -> None:
    raw = json.dumps(new_intent()).encode()
    headers = signed(raw, X_Idempotency_Key=uuid.uuid4().hex) | {"X-Request-Signature": hex_hmac("other", raw)}
    assert http.post("/api/v1/mint-intents", content=raw, headers=headers).status_code == 401
