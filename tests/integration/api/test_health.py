"""/health asks each part what it is for: the database to keep something, the chain to move, every loop to live."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from django.db import connection, connections
from django.test import Client

from fiatrails.api.open import checks, health
from fiatrails.api.open.probe import Probe
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.engine import heartbeat, write_trial
from fiatrails.engine.models import Heartbeat, WriteTrial
from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.ports import free_port

pytestmark = pytest.mark.django_db(transaction=True)
CHAIN_ID = 31337


@pytest.fixture(autouse=True)
def fresh_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test found is forgotten."""
    asked = {"database": checks.database, "rpc": checks.rpc, "worker": checks.worker}
    asked |= {"redis": checks.message_broker, "clock": checks.clock, "mints": checks.mints}
    monkeypatch.setattr(health, "_PROBES", {name: Probe(name, check, fresh_for_s=0) for name, check in asked.items()})
    monkeypatch.setattr(checks, "_HEAD", checks.HeadWatch())


@pytest.fixture
def owner(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """A session beside the API's."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(postgres.dsn_for(name), autocommit=True) as session:
        yield session


def asked() -> tuple[int, dict[str, str], dict[str, str]]:
    answer = Client().get("/health")
    body = json.loads(answer.content)
    return answer.status_code, body["checks"], body["reasons"]


# -- the database


def test_a_check_of_the_database_writes_and_commits_and_its_rows_do_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    for pid in range(1, 200):
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        write_trial.try_write(now=datetime(2026, 11, 1, tzinfo=UTC))
    assert WriteTrial.objects.count() == write_trial.SLOTS
    monkeypatch.undo()
    assert asked()[0] == 200


def test_its_limits_stay_in_its_transaction() -> None:
    write_trial.try_write(now=datetime(2026, 11, 1, tzinfo=UTC))
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('work_mem')")
        assert cursor.fetchone() == ("0", "4MB")


@contextmanager
def changed(owner: psycopg.Connection, there: str, back: str) -> Iterator[None]:
    owner.execute(there)  # type: ignore[arg-type]
    try:
        yield
    finally:
        owner.execute(back)  # type: ignore[arg-type]


_NO_SPACE = """
CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_space BEFORE INSERT OR UPDATE ON engine_write_trial FOR EACH ROW EXECUTE FUNCTION no_space()
"""
_SET = "ALTER DATABASE {name} SET {setting}"


@pytest.mark.parametrize(
    ("there", "back", "reason"),
    [
        pytest.param(_NO_SPACE, "DROP FUNCTION no_space CASCADE", "database_disk_full", id="no space for rows"),
        pytest.param(
            _SET.format(name="{name}", setting="temp_file_limit = '128kB'"),
            "ALTER DATABASE {name} RESET temp_file_limit",
            "database_limit_reached",
            id="no space beyond the pages that are there",
        ),
        pytest.param(
            _SET.format(name="{name}", setting="default_transaction_read_only = on"),
            "ALTER DATABASE {name} RESET default_transaction_read_only",
            "database_read_only",
            id="read only",
        ),
    ],
)
def test_a_database_that_answers_reads_and_keeps_nothing_is_503(
    owner: psycopg.Connection, there: str, back: str, reason: str
) -> None:
    name = connection.settings_dict["NAME"]
    owner.execute("SET default_transaction_read_only = off")
    with changed(owner, there.format(name=name), back.format(name=name)):
        status, checked, reasons = asked()
    assert (status, checked["database"], reasons["database"]) == (503, "unhealthy", reason)
    assert asked()[0] == 200


def test_a_database_that_writes_too_slowly_is_503_within_two_seconds(owner: psycopg.Connection) -> None:
    with owner.transaction():
        owner.execute("LOCK TABLE engine_write_trial")
        started = time.monotonic()
        status, checked, reasons = asked()
        assert time.monotonic() - started < 3
    assert (status, checked["database"]) == (503, "unhealthy")
    assert reasons["database"] in ("database_slow", "no_answer_in_time")


# -- clock and Redis


def test_a_clock_that_differs_from_the_databases_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked()[1]["clock"] == "healthy"
    monkeypatch.setattr("fiatrails.engine.database_clock.read", lambda: datetime.now(UTC) + timedelta(minutes=10))
    status, checked, reasons = asked()
    assert (status, checked["clock"]) == (200, "unhealthy")
    assert reasons["clock"].startswith(("clock_differs: 600", "clock_differs: 599"))


def test_a_redis_that_is_configured_and_away_degrades_and_no_more(configure: Callable[..., object]) -> None:
    assert asked()[1]["redis"] == "disabled"
    configure(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    status, checked, _ = asked()
    assert (status, checked["redis"]) == (200, "unhealthy")


# -- the worker


def beat(*, but: str = "", ahead: timedelta = timedelta()) -> None:
    for loop in heartbeat.WORKER_LOOPS:
        if loop != but:
            heartbeat.beat(f"{loop}@host:1", now=datetime.now(UTC) + ahead)


@pytest.mark.parametrize("loop", list(heartbeat.WORKER_LOOPS))
def test_one_loop_that_ended_is_named_however_lively_the_others_are(loop: str) -> None:
    beat(but=loop)
    heartbeat.beat(f"{loop}@host:1", now=datetime.now(UTC) - timedelta(minutes=16))
    _, checked, reasons = asked()
    assert (checked["worker"], reasons["worker"]) == ("unhealthy", f"loops_silent: {loop}")
    beat()
    assert asked()[1]["worker"] == "healthy"


def test_a_loop_that_ended_in_one_worker_and_lives_in_another_is_there() -> None:
    beat(but="lanes")
    heartbeat.beat("lanes@other:2", now=datetime.now(UTC))
    assert asked()[1]["worker"] == "healthy"


def test_a_beat_from_the_future_is_no_sign_of_life() -> None:
    beat(ahead=timedelta(minutes=10))
    assert asked()[2]["worker"] == "loops_silent: advance, lanes, providers, jobs"
    assert Heartbeat.objects.count() == 4


def test_the_loops_of_a_worker_are_those_that_are_looked_for() -> None:
    from fiatrails.kernel.clock import SystemClock
    from fiatrails.operations.worker import loops_of

    names = [loop.name.partition("@")[0] for loop in loops_of("host:1", clock=SystemClock())]
    assert names == list(heartbeat.WORKER_LOOPS)


# -- the chain


def node(answer: Callable[[str], object]) -> EvmPool:
    def respond(request: httpx.Request) -> httpx.Response:
        calls = json.loads(request.content)
        answers = [
            {"jsonrpc": "2.0", "id": call["id"], "result": answer(call["method"])}
            for call in (calls if isinstance(calls, list) else [calls])
        ]
        return httpx.Response(200, json=answers if isinstance(calls, list) else answers[0])

    transport = httpx.MockTransport(respond)
    return EvmPool(["http://node.test"], timeout_s=1, chain_id=CHAIN_ID, transports=[transport])


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({"eth_chainId": hex(CHAIN_ID), "eth_blockNumber": None}, id="null"),
        pytest.param({"eth_chainId": hex(CHAIN_ID), "eth_blockNumber": "banana"}, id="banana"),
        pytest.param({"eth_chainId": "0x1", "eth_blockNumber": "0x5"}, id="another chain"),
    ],
)
def test_a_node_that_answers_nonsense_is_not_connected(
    answers: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "default_pool", lambda: node(answers.__getitem__))
    status, checked, reasons = asked()
    assert (status, checked["rpc"], reasons["rpc"]) == (200, "unhealthy", "rpc_no_answer")


def test_a_head_that_stands_still_is_unhealthy_until_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    head, now = [5], [0.0]
    monkeypatch.setattr(checks, "_HEAD", checks.HeadWatch(lambda: now[0]))
    pool = node(lambda method: hex(CHAIN_ID) if method == "eth_chainId" else hex(head[0]))
    monkeypatch.setattr(checks, "default_pool", lambda: pool)
    assert asked()[1]["rpc"] == "healthy"
    now[0] = 59
    assert asked()[1]["rpc"] == "healthy"
    now[0] = 75
    _, checked, reasons = asked()
    assert (checked["rpc"], reasons["rpc"]) == ("unhealthy", "head_stands_still: 75 s")
    head[0] = 6
    assert asked()[1]["rpc"] == "healthy"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Probes close their own connections; this is the view's."""
    yield
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("probe-")]
    for thread in threads:
        thread.join(5)
    connections.close_all()
