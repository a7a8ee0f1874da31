"""Screenings over HTTP: who is listed, who is not, and what is refused."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.functional.api.live import CLIENT_SECRET, Live, hex_hmac, serve, signed
from tests.kit.databases import migrated_copy
from tests.kit.processes import ROOT
from tests.kit.rail import BIN
from tests.unit.docs.pages import blocks

LISTED_WALLET = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96"
SDN = (
    b'36,"YAN, Xiaobing","individual","SDNTK",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"DOB 25 Mar 1977; citizen China; '
    b'Passport G12345678 (China)."\r\n'
    b'37,"LAZARUS GROUP",-0- ,"DPRK3",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"Digital Currency Address - ETH '
    b'0x098B716B8Aaf21512996dC57EB0615e2383E2f96."\r\n\x1a'
)
FIELDS = {"id", "band", "why", "problem", "list", "algorithm", "hits"}
OF_A_HIT = {
    "entity",
    "name",
    "type",
    "programs",
    "band",
    "score",
    "ofacScore",
    "listedName",
    "reasons",
    "features",
    "wallets",
    "evidence",
}
# Body -> (status, error).
REFUSED: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "malformed_json"),
    "array": (b"[]", 400, "malformed_json"),
    "nothing": (b"{}", 400, "nothing_to_screen"),
    "only a country": (b'{"countries": ["KE"]}', 400, "nothing_to_screen"),
    "blank name": (b'{"name": " "}', 400, "malformed_payer_name"),
    "name is a number": (b'{"name": 7}', 400, "malformed_payer_name"),
    "name of 10 kB": (json.dumps({"name": "Ali " * 2_500}).encode(), 400, "malformed_payer_name"),
    "NUL": (b'{"name": "a\\u0000b"}', 400, "malformed_payer_name"),
    "half a surrogate pair": (b'{"name": "a\\ud800"}', 400, "malformed_payer_name"),
    "half a pair in a wallet": (b'{"wallets": ["0x\\udc00"]}', 400, "malformed_wallet"),
    "wallet with a blank": (b'{"wallets": ["0x12 34"]}', 400, "malformed_wallet"),
    "wallets is a word": (b'{"wallets": "0x1234"}', 400, "malformed_payer"),
    "eleven wallets": (json.dumps({"wallets": ["a"] * 11}).encode(), 400, "too_many_items"),
    "eleven ids": (json.dumps({"ids": ["12345"] * 11}).encode(), 400, "too_many_items"),
    "a ship": (b'{"name": "Jane", "type": "vessel"}', 400, "malformed_payer"),
    "no day": (b'{"name": "Jane", "birthDate": "2001-02-30"}', 400, "malformed_payer"),
    "born tomorrow": (b'{"name": "Jane", "birthDate": "2999-01-01"}', 400, "malformed_birth_date"),
    "no country": (b'{"name": "Jane", "countries": ["UK"]}', 400, "malformed_country"),
    "too large": (json.dumps({"name": "x" * 66_000}).encode(), 413, "body_too_large"),
}
ODD = {
    "emoji": "\U0001f600" * 500,
    "right to left": "\u202eمحمد علي",
    "many words": "a " * 249 + "a",
    "one long word": "a" * 500,
    "ideographs": "王小明" * 166,
    "marks": "e" + "\u0301" * 499,
    "expands": "\ufdfa" * 500,
    "controls": "\x01\x02\x7f\u200b" * 100,
}


@pytest.fixture(scope="module")
def live(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server on a list of two."""
    directory: Path = tmp_path_factory.mktemp("screenings")
    with serve(migrated_copy(postgres, f"api_{uuid.uuid4().hex[:12]}"), directory) as server:
        (directory / "sdn.csv").write_bytes(SDN)
        load(server, directory / "sdn.csv")
        yield server


def load(live: Live, path: Path) -> None:
    """Puts a list in force, as an operator does."""
    command = [str(BIN / "fiatrails"), "lists", "load", str(path), "--yes", "--as-of", "2026-10-20"]
    subprocess.run(command, env=live.environment, cwd=ROOT, check=True, timeout=60, capture_output=True)


def age(live: Live, by: str) -> None:
    """Makes the list in force older, past the guard that keeps its times."""
    update = f"UPDATE screening_list_version SET fetched_at = fetched_at {by}"
    live.execute(f"SET session_replication_role = replica; {update}")


def ask(http: httpx.Client, body: Any, **headers: str) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http.post("/api/v1/screenings", content=raw, headers=signed(raw, **headers))


def kept(live: Live) -> int:
    return int(live.rows("SELECT count(*) FROM compliance_screening")[0][0])


def test_a_listed_wallet_is_answered_with_block(live: Live, http: httpx.Client) -> None:
    answer = ask(
        http, {"name": "Jane Wanjiku", "wallets": ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", LISTED_WALLET]}
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(found) == FIELDS
    assert (found["band"], found["problem"]) == ("block", None)
    assert "LAZARUS GROUP" in found["why"]
    assert (found["list"]["isSample"], found["list"]["published"]) == (False, "2026-10-20")
    [hit] = found["hits"]
    assert set(hit) == OF_A_HIT
    assert (hit["entity"], hit["type"], hit["programs"]) == ("SDN:37", "organization", ["DPRK3"])
    assert (hit["band"], hit["wallets"], hit["score"], hit["listedName"]) == ("block", [LISTED_WALLET], None, None)


def test_a_listed_name_is_answered_with_review_and_says_which_word_was_taken_for_which(http: httpx.Client) -> None:
    found = ask(http, {"name": "Xiaobing Yan", "type": "person", "countries": ["CN"]}).json()
    [hit] = found["hits"]
    assert (found["band"], hit["band"], hit["listedName"]) == ("review", "review", "YAN, Xiaobing")
    assert 0.5 < hit["score"] <= 1
    assert hit["ofacScore"] == 100
    assert any('"yan" is "yan"' in reason for reason in hit["reasons"])
    assert {"base", "coverage"} <= set(hit["features"])
    assert hit["evidence"] == [{"subject": "country", "verdict": "supports", "detail": "CN, as listed"}]


@pytest.mark.parametrize(
    ("more", "band"),
    [
        ({"birthDate": "1977-03-25"}, "block"),
        ({"ids": ["g-12345678"]}, "block"),
        ({"birthDate": "1999-01-01"}, "clear"),
    ],
)
def test_what_is_known_beside_the_name_decides(http: httpx.Client, more: dict[str, Any], band: str) -> None:
    assert ask(http, {"name": "Xiaobing Yan", **more}).json()["band"] == band


@pytest.mark.parametrize("body", [{"name": "Jane Wanjiku"}, {"wallets": ["0x" + "ab" * 20]}, {"ids": ["A1234567"]}])
def test_who_is_not_listed_is_clear(http: httpx.Client, body: dict[str, Any]) -> None:
    found = ask(http, body).json()
    assert (found["band"], found["hits"], found["why"]) == ("clear", [], "no listed name, wallet or number")


def test_each_question_is_kept_with_its_client_and_answered_anew_whatever_key_it_carries(
    live: Live, http: httpx.Client
) -> None:
    before = kept(live)
    answers = [ask(http, {"name": "Jane Wanjiku"}, X_Idempotency_Key="k" * 16) for _ in range(2)]
    ids = [answer.json()["id"] for answer in answers]
    assert len(set(ids)) == 2
    assert kept(live) == before + 2
    rows = live.rows("SELECT client, inputs->>'name' FROM compliance_screening WHERE screening_id = ANY(%s)", ids)
    assert rows == [("default", "Jane Wanjiku")] * 2


def test_an_answer_is_read_again_byte_by_byte_whatever_the_list_says_by_then(live: Live, http: httpx.Client) -> None:
    asked = ask(http, {"name": "Xiaobing Yan", "wallets": [LISTED_WALLET]})
    path = f"/api/v1/screenings/{asked.json()['id']}"
    age(live, "- interval '3 days'")
    try:
        again = [live.read(http, path), live.read(http, f"/api/v1/screenings/{asked.json()['id'].upper()}")]
    finally:
        age(live, "+ interval '3 days'")
    assert [answer.status_code for answer in again] == [200, 200]
    assert {answer.content for answer in again} == {asked.content}
    assert again[0].headers["Content-Type"] == asked.headers["Content-Type"] == "application/json"
    assert "hits" in asked.json()


@pytest.mark.parametrize(
    "wanted",
    ["0" * 32, "0" * 31, "0" * 33, "g" * 32, "%00", "..", "%2e%2e", "\u0661" * 32, "'", "0x" + "1" * 30, "a" * 3000],
)
def test_what_nobody_asked_is_not_found(live: Live, http: httpx.Client, wanted: str) -> None:
    before = kept(live)
    answer = live.read(http, f"/api/v1/screenings/{wanted}")
    assert answer.status_code == 404, answer.text
    assert set(answer.json()) == {"error", "message", "requestId"}
    assert answer.json()["error"] in ("screening_not_found", "not_found")
    assert kept(live) == before


def test_another_clients_answer_is_not_found_and_nobodys_is_read_without_a_signature(
    live: Live, http: httpx.Client
) -> None:
    path = f"/api/v1/screenings/{ask(http, {'name': 'Jane Wanjiku'}).json()['id']}"
    forged = signed() | {"X-Request-Signature": hex_hmac("other", b"")}
    assert (http.get(path).status_code, http.get(path, headers=forged).status_code) == (401, 401)
    assert http.post(path, headers=signed()).status_code == 405
    of_another = f"UPDATE compliance_screening SET client = 'else' WHERE screening_id = '{path.rsplit('/', 1)[1]}'"
    live.execute(f"SET session_replication_role = replica; {of_another}")
    refused = live.read(http, path)
    assert (refused.status_code, refused.json()["error"]) == (404, "screening_not_found")


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_question_is_refused_and_not_kept(live: Live, http: httpx.Client, name: str) -> None:
    raw, status, error = REFUSED[name]
    before = kept(live)
    answer = ask(http, raw)
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert kept(live) == before


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_gets_an_answer_in_time(http: httpx.Client, name: str) -> None:
    started = time.monotonic()
    answer = ask(http, {"name": ODD[name]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["band"] == ("review" if answer.json()["problem"] else "clear")
    assert time.monotonic() - started < 5


def test_the_request_of_the_how_to_is_answered(live: Live) -> None:
    page = ROOT / "docs" / "how-to" / "screen-payers.md"
    [block] = [block.text for block in blocks(page) if "/api/v1/screenings" in block.text]
    environment = {**live.environment, "HMAC_SECRET": CLIENT_SECRET, "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        ["bash", "-c", block], env=environment, check=True, timeout=60, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert (found["band"], {hit["entity"] for hit in found["hits"]}) == ("block", {"SDN:36", "SDN:37"})


def test_nobody_is_answered_without_a_signature(live: Live, http: httpx.Client) -> None:
    raw, before = b'{"name": "Jane Wanjiku"}', kept(live)
    headers = {"Content-Type": "application/json", "X-Request-Timestamp": str(int(time.time()))}
    unsigned = http.post("/api/v1/screenings", content=raw, headers=headers)
    forged = http.post(
        "/api/v1/screenings", content=raw, headers=signed(raw) | {"X-Request-Signature": hex_hmac("other", raw)}
    )
    assert (unsigned.status_code, forged.status_code) == (401, 401)
    assert (http.get("/api/v1/screenings").status_code, kept(live)) == (405, before)


def test_questions_count_against_the_quota_of_the_client(live: Live, http: httpx.Client) -> None:
    live.execute("UPDATE api_rate_counter SET used = 60000 WHERE subject = 'client:default'")
    try:
        answer = ask(http, {"name": "Jane Wanjiku"})
        assert (answer.status_code, answer.json()["error"]) == (429, "too_many_requests")
    finally:
        live.execute("DELETE FROM api_rate_counter")


def test_nobody_is_named_in_the_log(live: Live, http: httpx.Client) -> None:
    ask(http, {"name": "Zebulon Quartermaine", "ids": ["AB-998877"], "wallets": ["bc1qsecretwallet"]})
    ask(http, {"name": "Zebulon Quartermaine", "wallets": ["Quartermaine wallet"]})
    log = live.log_path.read_text()
    assert "screening.answered" in log
    assert not any(secret in log for secret in ("Zebulon", "Quartermaine", "998877", "bc1qsecretwallet"))


def test_a_stale_list_answers_nobody(live: Live, http: httpx.Client) -> None:
    before = kept(live)
    age(live, "- interval '3 days'")
    try:
        answer = ask(http, {"wallets": [LISTED_WALLET]})
        assert (answer.status_code, answer.json()["error"]) == (503, "sanctions_unusable")
        assert answer.headers["Retry-After"] == "60"
        assert kept(live) == before
    finally:
        age(live, "+ interval '3 days'")
