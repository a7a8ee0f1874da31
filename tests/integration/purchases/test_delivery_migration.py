"""Intents of the schema before deliveries: moved over and back, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from fiatrails.chains.evm.contracts.identifiers import tx_ref_hash
from fiatrails.operations.invariants.checks import check_books
from fiatrails.purchases.models import Delivery, Purchase

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = ("purchases", "0003_alter_intent_hold")
HASH = "0x" + "77" * 32
# state, tx_hash, block_number, alone, releases, fiat_paid
OLD = [
    ("awaiting_payment", None, None, False, 0, 0),
    ("paid", None, None, True, 3, 1000),
    ("submitting", None, None, False, 0, 1000),
    ("mined", HASH, 7, False, 1, 1000),
    ("executed", HASH, 6, False, 0, 1000),
    ("held", None, None, False, 8, 900),
]
_INSERT = """
INSERT INTO purchases_intent (intent_id, tx_ref, tx_ref_hash, client, chain_id, "user", amount, country_code,
    fiat_currency, fiat_expected, fiat_paid, state, hold, reason, tx_hash, block_number, alone, releases, created_at,
    expires_at, fence, attempts, last_error)
VALUES (%s, %s, %s, 'default', 31337, %s, 10000000000000000000, 'KES', 'KES', 1000, %s, %s, '', '', %s, %s, %s, %s,
    now(), now(), 0, 0, '')
"""


def migrate(*target: tuple[str, str]) -> None:
    MigrationExecutor(connection).migrate(list(target))


def migrate_to_newest() -> None:
    """Models and tables fit each other only there."""
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes("purchases"))


def query(text: str, *parameters: object) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        if cursor.description is None:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture
def old_rows() -> Iterator[list[dict[str, Any]]]:
    """A database of the commit before, with an intent in each kind of state."""
    migrate(BEFORE)
    try:
        for number, (state, tx_hash, block, alone, releases, fiat_paid) in enumerate(OLD):
            query(
                _INSERT,
                f"0x{number:064x}",
                f"TX-{number}",
                tx_ref_hash(f"TX-{number}"),
                f"0x{number:040x}",
                fiat_paid,
                state,
                tx_hash,
                block,
                alone,
                releases,
            )
        yield query("SELECT * FROM purchases_intent ORDER BY id")
    finally:
        migrate_to_newest()
        query("DELETE FROM purchases_delivery")
        query("DELETE FROM purchases_purchase")


def test_each_intent_becomes_a_purchase_of_one_delivery(old_rows: list[dict[str, Any]]) -> None:
    migrate_to_newest()
    assert Purchase.objects.count() == Delivery.objects.count() == len(OLD)
    for row in old_rows:
        delivery = Purchase.objects.get(pk=row["id"]).delivery
        assert (delivery.reference, delivery.recipient, delivery.asset) == (row["intent_id"], row["user"], "KES")
        assert (delivery.chain, delivery.position, int(delivery.amount)) == ("evm:31337", 0, 10**19)
        assert (delivery.transaction, delivery.place) == (row["tx_hash"], row["block_number"])
        assert (delivery.alone, delivery.releases, delivery.news) == (row["alone"], row["releases"], None)
        moving = row["state"] in ("submitting", "mined", "executed")
        assert delivery.state == (row["state"] if moving else "waiting")
    assert "a purchase is executed when all its deliveries are" not in {each.invariant for each in check_books()}


def test_the_way_back_gives_every_column_back(old_rows: list[dict[str, Any]]) -> None:
    migrate_to_newest()
    migrate(BEFORE)
    assert query("SELECT * FROM purchases_intent ORDER BY id") == old_rows
    [constraint] = query("SELECT 1 AS found FROM pg_constraint WHERE conname = 'intent_amount_positive'")
    assert constraint["found"] == 1
    nullable = query(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'purchases_intent'"
        " AND is_nullable = 'YES' AND column_name IN ('user', 'amount', 'chain_id', 'tx_ref_hash', 'country_code')"
    )
    assert nullable == []
