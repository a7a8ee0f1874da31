"""A ledger that was written before currencies and checkpoints migrates with its history, and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from django.core.management import call_command
from django.db import transaction

from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.balances import balance, equation
from fiatrails.ledger.models import Checkpoint, Currency, Link
from fiatrails.ledger.posting import post
from fiatrails.ledger.verify import head, verify

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TOKEN = 10**18


@pytest.fixture
def before(database: str) -> Iterator[str]:
    """A database with the schema of the first migration, and a payment and its mint written by that schema's rules."""
    migrate("0001")
    with psycopg.connect(database) as writer:
        for number, (code, kind, currency) in enumerate(
            [
                ("cash:mpesa:KES", "asset", "KES"),
                ("pending:KES", "liability", "KES"),
                ("minted:KES", "liability", "KES"),
                ("token_issued:ZZZ.token", "asset", "ZZZ.token"),
                ("token_supply:ZZZ.token", "liability", "ZZZ.token"),
            ],
            start=1,
        ):
            writer.execute("INSERT INTO ledger_account VALUES (%s, %s, %s, %s)", [number, code, kind, currency])
        for key, kind, lines in (
            ("payment:mpesa:R1", "payment", [(1, "KES", 100), (2, "KES", -100)]),
            ("mint:I1", "mint", [(2, "KES", 100), (3, "KES", -100), (4, "ZZZ.token", TOKEN), (5, "ZZZ.token", -TOKEN)]),
        ):
            entry = writer.execute(
                "INSERT INTO ledger_entry (key, kind, reference, at, memo) VALUES (%s, %s, 'I1', %s, '') RETURNING id",
                [key, kind, NOW],
            ).fetchone()
            writer.cursor().executemany(
                "INSERT INTO ledger_posting (entry_id, account_id, currency, amount) VALUES (%s, %s, %s, %s)",
                [(entry[0], *line) for line in lines],  # type: ignore[index]
            )
        writer.execute("SELECT setval('ledger_account_id_seq', 5)")
    yield database
    migrate("0004")


def migrate(target: str) -> None:
    call_command("migrate", "ledger", target, verbosity=0)


def test_history_stays_valid_and_is_answered(before: str) -> None:
    anchor = head()
    migrate("0004")
    assert dict(Currency.objects.values_list("code", "scale"))["ZZZ.token"] == 18
    assert set(Checkpoint.objects.values_list("seq", flat=True)) == {anchor.seq}
    assert (balance("cash:mpesa:KES"), balance("pending:KES"), balance("token_supply:ZZZ.token")) == (100, 0, -TOKEN)
    with transaction.atomic():
        paid = entries.payment_received(provider="mpesa", receipt="R2", intent_id="I2", money=Money("KES", 5))
        post([paid], now=NOW)
    found = verify(anchor=anchor)
    assert (found.problems, found.entries, balance("cash:mpesa:KES")) == ((), 3, 105)
    assert equation("KES").holds


def test_the_way_back_keeps_every_entry(before: str) -> None:
    migrate("0004")
    migrate("0001")
    with psycopg.connect(before) as reader:
        assert reader.execute("SELECT count(*) FROM ledger_posting").fetchone() == (6,)
        assert reader.execute("SELECT to_regclass('ledger_currency'), to_regclass('ledger_checkpoint')").fetchone() == (
            None,
            None,
        )
    migrate("0004")
    assert (verify().problems, Link.objects.count(), balance("pending:KES")) == ((), 2, 0)


def test_an_account_in_a_currency_that_nobody_knows_stops_the_migration(before: str) -> None:
    with psycopg.connect(before) as writer:
        writer.execute("INSERT INTO ledger_account (code, kind, currency) VALUES ('pending:XXX', 'liability', 'XXX')")
    with pytest.raises(Exception, match="XXX"):
        migrate("0004")
    with psycopg.connect(before) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM ledger_account WHERE code = 'pending:XXX'")
