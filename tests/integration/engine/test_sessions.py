"""Isolation, limits and formats are ours: on a direct connection and behind PgBouncer in transaction mode, whatever the
server's own defaults are."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import OperationalError, connection, transaction
from pytest_django import DjangoDbBlocker

from fiatrails.config.env import database_settings
from fiatrails.engine import heartbeat
from fiatrails.engine.models import Heartbeat
from fiatrails.engine.wakeup import Listener, notify
from fiatrails.kernel import statements
from fiatrails.local.postgres import EmbeddedPostgres
from tests.conftest import SteppedClock
from tests.integration.engine.test_claims import make_due, take
from tests.integration.ledger.scratch import pointed_at
from tests.kit import databases
from tests.kit.databases import migrated_copy
from tests.kit.pgbouncer import PgBouncer

# What other applications of a shared server may have asked for.
_DEFAULTS = {
    "default_transaction_isolation": "serializable",
    "DateStyle": "German",
    "timezone": "Africa/Nairobi",
    "lock_timeout": "0",
    "statement_timeout": "0",
}
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def foreign(postgres: EmbeddedPostgres) -> str:
    """A migrated database whose defaults are not ours."""
    url = migrated_copy(postgres, f"foreign_{uuid.uuid4().hex[:8]}")
    name = url.rpartition("/")[2]
    with psycopg.connect(postgres.dsn, autocommit=True) as admin:
        for setting, value in _DEFAULTS.items():
            admin.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")  # type: ignore[arg-type]
    return url


@pytest.fixture(scope="module")
def pooler(foreign: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    """Two sessions for all clients, so that clients meet each other's."""
    with PgBouncer(tmp_path_factory.mktemp("pooler") / "pgbouncer", foreign, pool_size=2) as server:
        yield server


@pytest.fixture(params=["direct", "pooled"])
def session(request: pytest.FixtureRequest, foreign: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Django's connection to it, either way."""
    url, pooled = foreign, request.param == "pooled"
    if pooled:
        url = request.getfixturevalue("pooler").url(foreign)
    with django_db_blocker.unblock(), pointed_at(url, pooled=pooled):
        yield request.param
    with psycopg.connect(foreign, autocommit=True) as emptier:
        databases.empty(emptier)


def shown(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return str(cursor.fetchone()[0])


LIMITS = {
    "transaction_isolation": "read committed",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "5s",
    "TimeZone": "UTC",
}


def test_isolation_and_limits_are_ours_in_and_outside_of_transactions(session: str) -> None:
    assert {name: shown(name) for name in LIMITS} == LIMITS
    with transaction.atomic():
        assert {name: shown(name) for name in LIMITS} == LIMITS
        with transaction.atomic():
            assert {name: shown(name) for name in LIMITS} == LIMITS
    assert shown("DateStyle").startswith("ISO")


def test_times_are_read_as_they_were_written_under_any_date_style(session: str) -> None:
    heartbeat.beat("a", now=NOON)
    assert Heartbeat.objects.get(name="a").at == NOON
    with transaction.atomic():
        assert Heartbeat.objects.get(name="a").at == NOON


def test_a_statement_of_a_transaction_ends_at_the_limit_and_the_next_one_has_none(session: str) -> None:
    with statements.limited(0.2), transaction.atomic(), connection.cursor() as cursor:
        assert shown("statement_timeout") == "200ms"
        with pytest.raises(OperationalError, match="statement timeout"):
            cursor.execute("SELECT pg_sleep(3)")
        transaction.set_rollback(True)
    assert shown("statement_timeout") == "0"


def test_what_a_transaction_wrote_goes_when_it_is_rolled_back(session: str) -> None:
    with transaction.atomic():
        heartbeat.beat("c", now=NOON)
        transaction.set_rollback(True)
    assert not Heartbeat.objects.exists()


def test_nothing_that_one_client_sets_is_met_by_another(session: str, foreign: str) -> None:
    """Behind a pooler sessions are shared: whatever stayed set would be somebody else's limit."""

    def work(_: int) -> None:
        with statements.limited(0.5), transaction.atomic():
            heartbeat.beat("b", now=NOON)
        connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(12)))
    for _ in range(4):
        assert shown("statement_timeout") == "0"


def test_eight_workers_claim_each_row_once_under_foreign_defaults(session: str, clock: SteppedClock) -> None:
    """Serializable claims would fail with each other instead of passing locked rows over."""
    make_due(40, clock)

    def work(_: int) -> list[int]:
        found: list[int] = []
        while rows := take(clock, limit=3):
            found += [row.pk for row in rows]
        connection.close()
        return found

    with ThreadPoolExecutor(8) as threads:
        taken = [pk for found in threads.map(work, range(8)) for pk in found]
    assert len(taken) == len(set(taken)) == 40


def test_a_hint_through_the_pooler_wakes_a_worker_that_listens_to_the_server_itself(
    foreign: str, pooler: PgBouncer, django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.conf.settings.DATABASE_DIRECT", database_settings(foreign))
    wake = threading.Event()
    with django_db_blocker.unblock(), pointed_at(pooler.url(foreign), pooled=True):
        listener = Listener([wake])
        listener.start()
        try:
            deadline = time.monotonic() + 10
            while not wake.wait(0.1):
                notify()
                assert time.monotonic() < deadline, "no hint came"
        finally:
            listener.stop()
