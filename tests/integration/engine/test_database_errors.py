"""What the database refuses reaches the operator in its own words, with what to do: real refusals of real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import Error, OperationalError, connection, transaction

from fiatrails.cli.kit import runtime
from fiatrails.cli.kit.exits import ExitCode
from fiatrails.config.env import database_settings
from fiatrails.engine.postgres.base import DatabaseWrapper
from fiatrails.engine.postgres.errors import explain, in_words
from fiatrails.local.postgres import EmbeddedPostgres
from fiatrails.operations.doctor.checks import Context, Level
from fiatrails.operations.doctor.database import check_postgres
from tests.integration.ledger.scratch import pointed_at
from tests.kit.pgbouncer import PgBouncer
from tests.kit.ports import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def pooler(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    """A pooler with one session, and one client at a time."""
    with PgBouncer(tmp_path_factory.mktemp("refusing") / "pgbouncer", postgres.dsn, pool_size=1) as server:
        yield server


def refused(url: str, **options: object) -> Error:
    """What Django says when it connects there."""
    entry = database_settings(url)
    entry["OPTIONS"] |= options
    wrapper = DatabaseWrapper({**connection.settings_dict, **entry}, "refused")
    with pytest.raises(Error) as found:
        wrapper.ensure_connection()
    return found.value


@contextmanager
def exhausted(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A user who may have one connection, which is taken."""
    with psycopg.connect(postgres.dsn, autocommit=True) as admin:
        admin.execute("CREATE ROLE single LOGIN PASSWORD 'single' CONNECTION LIMIT 1")
        url = postgres.dsn.replace(postgres.dsn.split("//")[1].split("@")[0], "single:single")
        try:
            with psycopg.connect(url):
                yield url
        finally:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'single'")
            admin.execute("DROP ROLE single")


def wrong_password(postgres: EmbeddedPostgres, _pooler: PgBouncer) -> Error:
    return refused(postgres.dsn.replace("postgres:", "postgres:not-", 1))


def wrong_password_at_the_pooler(postgres: EmbeddedPostgres, pooler: PgBouncer) -> Error:
    return refused(pooler.url(postgres.dsn).replace("postgres:", "postgres:not-", 1))


def too_many(postgres: EmbeddedPostgres, _pooler: PgBouncer) -> Error:
    with exhausted(postgres) as url:
        return refused(url)


def unknown_parameter(postgres: EmbeddedPostgres, pooler: PgBouncer) -> Error:
    return refused(pooler.url(postgres.dsn), options="-c statement_timeout=1s")


def no_such_database(postgres: EmbeddedPostgres, _pooler: PgBouncer) -> Error:
    return refused(postgres.dsn_for("nowhere"))


def nobody_there(_postgres: EmbeddedPostgres, _pooler: PgBouncer) -> Error:
    return refused(f"postgresql://a:b@127.0.0.1:{free_port()}/x")


@pytest.mark.parametrize(
    ("refuse", "code", "words", "advice"),
    [
        (wrong_password, "database_refused", "password authentication failed", "check the password"),
        (wrong_password_at_the_pooler, "database_refused", "authentication failed", "check the password"),
        (too_many, "database_connections_exhausted", "too many connections for role", "max_connections"),
        (unknown_parameter, "database_refused", "unsupported startup parameter", "see what the server"),
        (no_such_database, "database_missing", 'database "nowhere" does not exist', "create the database"),
        (nobody_there, "database_unavailable", "onnection refused", "check DATABASE_URL"),
    ],
)
def test_a_refusal_to_connect_is_told_as_it_was_said(
    refuse: Callable[[EmbeddedPostgres, PgBouncer], Error],
    code: str,
    words: str,
    advice: str,
    postgres: EmbeddedPostgres,
    pooler: PgBouncer,
) -> None:
    found = explain(refuse(postgres, pooler))
    assert (found.code, words in found.said, advice in found.advice) == (code, True, True), found
    assert "not-" not in found.said


def test_the_command_line_and_the_doctor_say_the_servers_words(
    postgres: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.dsn.replace("postgres:", "postgres:not-", 1)
    assert runtime._report(refused(url), json=False) is ExitCode.UNAVAILABLE
    assert 'password authentication failed for user "postgres"' in capsys.readouterr().err
    with pointed_at(url):
        [finding] = check_postgres(Context.__new__(Context))
    assert finding.level is Level.FAIL
    assert "password authentication failed" in finding.message


def test_a_serialization_failure_and_a_deadlock_are_no_absent_database() -> None:
    with connection.cursor() as cursor, pytest.raises(OperationalError) as found:
        cursor.execute("DO $$ BEGIN RAISE 'could not serialize access' USING ERRCODE = '40001'; END $$")
    assert explain(found.value).code == "database_busy"
    assert in_words(found.value).startswith("40001 could not serialize access")


def test_a_right_that_is_missing_is_no_outdated_schema(capsys: pytest.CaptureFixture[str]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE powerless; SET LOCAL ROLE powerless")
        with pytest.raises(Error) as found:
            cursor.execute("SELECT * FROM engine_heartbeat")
        transaction.set_rollback(True)
    assert runtime._report(found.value, json=False) is ExitCode.UNAVAILABLE
    said = capsys.readouterr().err
    assert "permission denied for table engine_heartbeat" in said
    assert "database_forbidden" in said
    with connection.cursor() as cursor, pytest.raises(Error) as found:
        cursor.execute("SELECT * FROM engine_of_tomorrow")
    assert runtime._report(found.value, json=False) is ExitCode.MISCONFIGURED
    assert 'relation "engine_of_tomorrow" does not exist' in capsys.readouterr().err
