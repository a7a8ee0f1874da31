"""The tables of the EVM submitter get their names and a column, forwards and back, and lose nothing on the way."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from fiatrails.chains.evm.contracts.registry import UserRegistry, UserUpdate
from fiatrails.local.postgres import EmbeddedPostgres
from tests.integration.ledger.scratch import pointed_at
from tests.kit import databases

USER = "0x" + "a1" * 20
CALL = UserRegistry.update_user(UserUpdate(USER, 7, "0x" + "ab" * 32, True))
_NAMES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname ~ %(prefix)s
UNION SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conname ~ %(prefix)s
UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname ~ %(prefix)s
UNION SELECT proname FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND (proname ~ %(prefix)s OR prosrc ~ %(word)s)
"""


@pytest.fixture
def dsn(postgres: EmbeddedPostgres, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A migrated database of its own, behind Django."""
    found = databases.migrated_copy(postgres, "chains_migrations")
    with django_db_blocker.unblock(), pointed_at(found):
        yield found


def migrate(to: str) -> None:
    call_command("migrate", "chains", to, verbosity=0)


def names(dsn: str, prefix: str) -> set[str]:
    """Whatever in the schema is called after the tables with this prefix."""
    with psycopg.connect(dsn) as session:
        words = {"prefix": f"^{prefix}_", "word": rf"\m{prefix}_(attempt|lane|nonce_slot)\M"}
        return {row[0] for row in session.execute(_NAMES, words)}


def test_names_follow_the_tables_and_rows_stay(dsn: str) -> None:
    migrate("0001_evm_submitter")
    assert names(dsn, "evm") == set()
    old = names(dsn, "chains")
    with psycopg.connect(dsn) as session:
        session.execute("""INSERT INTO chains_lane (id, chain_id, address, role, next_nonce, created_at)
            VALUES (1, 1, '0x', 'officer', 3, now())""")
        for nonce, kind, calldata in ((0, "call", CALL), (1, "settle", b""), (2, "noop", CALL)):
            session.execute(
                """INSERT INTO chains_nonce_slot (lane_id, nonce, kind, to_address, calldata, created_at)
                VALUES (1, %s, %s, '0x', %s, now())""",
                [nonce, kind, calldata],
            )
        session.execute("""
            INSERT INTO chains_attempt (slot_id, hash, raw, max_fee, tip, gas, signed_at_block, created_at)
            SELECT id, '0xaa', 'raw', 1, 1, 1, 1, now() FROM chains_nonce_slot WHERE nonce = 0""")

    migrate("0003_slot_subject")
    assert names(dsn, "chains") == set()
    assert names(dsn, "evm") == {name.replace("chains_", "evm_") for name in old} | {"evm_nonce_slot_subject_not_null"}
    with psycopg.connect(dsn) as session:
        found = session.execute("SELECT subject FROM evm_nonce_slot ORDER BY nonce").fetchall()
        assert found == [(USER,), ("",), ("",)]
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="evm_attempt is append-only"):
            session.execute("DELETE FROM evm_attempt")

    migrate("0001_evm_submitter")
    assert (names(dsn, "evm"), names(dsn, "chains")) == (set(), old)
    with psycopg.connect(dsn) as session:
        assert session.execute("SELECT count(*) FROM chains_attempt").fetchone() == (1,)
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="chains_attempt is append-only"):
            session.execute("DELETE FROM chains_attempt")
        # A sequence that lost its column would hand out nothing.
        session.rollback()
        session.execute("""INSERT INTO chains_broadcast (attempt_id, endpoint, outcome, at)
            SELECT id, 'x', 'accepted', now() FROM chains_attempt""")
