"""What was an intent in the database becomes a purchase, forwards and back: every name follows, and rows stay."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from fiatrails.local.postgres import EmbeddedPostgres
from tests.integration.ledger.scratch import pointed_at
from tests.kit import databases

FOREIGN_KEY = "purchases_delivery_purchase_id_5ca32d06_fk_purchases"
# Whatever is called after the table. Indexes and columns that carry the client's id are called after that.
_NAMES = r"""
WITH names AS (
    SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
)
SELECT name FROM names WHERE name ~ %(own)s OR name ~ %(table)s
UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosrc ~ %(table)s
"""
_ROW = """
INSERT INTO purchases_intent (intent_id, tx_ref, client, fiat_currency, fiat_expected, fiat_paid, state, hold, reason,
    created_at, expires_at, fence, attempts, last_error)
VALUES ('0x01', 'TX-1', 'default', 'KES', 1000, 0, 'awaiting_payment', '', '', now(), now(), 3, 0, '') RETURNING id
"""


@pytest.fixture
def dsn(postgres: EmbeddedPostgres, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A migrated database of its own, behind Django."""
    found = databases.migrated_copy(postgres, "purchases_migrations")
    with django_db_blocker.unblock(), pointed_at(found):
        yield found


def migrate(to: str) -> None:
    call_command("migrate", "purchases", to, verbosity=0)


def names(dsn: str, word: str) -> set[str]:
    """Whatever in the schema is called after the table `purchases_<word>`, or begins with the word as its checks do."""
    with psycopg.connect(dsn) as session:
        words = {"own": rf"^{word}_(?!in_one_slot|report_due)", "table": rf"purchases_{word}(_|\M)"}
        return {row[0] for row in session.execute(_NAMES, words)}


def value(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn) as session:
        row = session.execute(statement).fetchone()
        return row and row[0]


def test_names_follow_the_table_and_rows_stay(dsn: str) -> None:
    content_type = (
        "SELECT model FROM django_content_type WHERE app_label = 'purchases' AND model IN ('intent', 'purchase')"
    )
    migrate("0005_purchase")
    new = names(dsn, "purchase")
    assert names(dsn, "intent") == set()

    migrate("0004_delivery")
    assert names(dsn, "purchase") == set()
    old = names(dsn, "intent")
    assert {name.replace("intent", "purchase", 1) for name in old - {f"{FOREIGN_KEY}_intent_id"}} == new
    assert {"purchases_intent", "purchases_intent_pkey", "intent_money_not_lost", "intent_due"} <= old
    row = value(dsn, _ROW)

    migrate("0005_purchase")
    assert (names(dsn, "intent"), names(dsn, "purchase")) == (set(), new)
    assert value(dsn, f"SELECT 1 FROM pg_constraint WHERE conname = '{FOREIGN_KEY}'") == 1
    assert value(dsn, "SELECT (id, tx_ref, fence)::text FROM purchases_purchase") == f"({row},TX-1,3)"
    assert value(dsn, content_type) == "purchase"
    with psycopg.connect(dsn) as session, pytest.raises(psycopg.errors.CheckViolation, match="purchase_money_not_lost"):
        session.execute("UPDATE purchases_purchase SET state = 'expired', fiat_paid = 1")

    migrate("0004_delivery")
    assert (names(dsn, "intent"), names(dsn, "purchase")) == (old, set())
    assert value(dsn, content_type) == "intent"
    # A sequence that lost its column would hand out nothing.
    assert value(dsn, _ROW.replace("0x01", "0x02").replace("TX-1", "TX-2")) == int(str(row)) + 1
