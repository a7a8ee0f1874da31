"""The rules that PostgreSQL keeps for whoever writes: raw SQL, past every Python check."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import errors

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TABLES = ("ledger_account", "ledger_entry", "ledger_posting", "ledger_chain")


@pytest.fixture
def writer(database: str) -> Iterator[psycopg.Connection]:
    """A connection that knows nothing of the product; accounts 1 and 2 in KES, 3 and 4 in USD."""
    with psycopg.connect(database) as connection:
        for code, currency in (
            ("cash:x:KES", "KES"),
            ("pending:KES", "KES"),
            ("cash:x:USD", "USD"),
            ("pending:USD", "USD"),
        ):
            connection.execute(
                "INSERT INTO ledger_account (code, kind, currency) VALUES (%s, 'asset', %s)", [code, currency]
            )
        connection.commit()
        yield connection


def add_entry(writer: psycopg.Connection, key: str = "k") -> int:
    row = writer.execute(
        "INSERT INTO ledger_entry (key, kind, reference, at, memo) VALUES (%s, 'payment', '', %s, '') RETURNING id",
        [key, AT],
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_postings(writer: psycopg.Connection, entry: int, *lines: tuple[int, str, int]) -> None:
    writer.cursor().executemany(
        "INSERT INTO ledger_posting (entry_id, account_id, currency, amount) VALUES (%s, %s, %s, %s)",
        [(entry, *line) for line in lines],
    )


def count(writer: psycopg.Connection, table: str) -> int:
    row = writer.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def test_a_balanced_entry_is_chained_at_commit(writer: psycopg.Connection) -> None:
    add_postings(writer, add_entry(writer), (1, "KES", 5), (2, "KES", -5))
    assert count(writer, "ledger_chain") == 0
    writer.commit()
    assert count(writer, "ledger_chain") == 1


def test_two_currencies_balance_each_by_itself(writer: psycopg.Connection) -> None:
    add_postings(writer, add_entry(writer), (1, "KES", 5), (2, "KES", -5), (3, "USD", 7), (4, "USD", -7))
    writer.commit()
    assert count(writer, "ledger_chain") == 1


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "0 postings"),
        ([(1, "KES", 5)], "1 postings"),
        ([(1, "KES", 5), (2, "KES", -4)], "balance in KES"),
        ([(1, "KES", 5), (3, "USD", -5)], "does not balance"),
        ([(1, "KES", 5), (2, "KES", -5), (3, "USD", 1)], "balance in USD"),
    ],
)
def test_an_entry_that_does_not_balance_is_refused_at_commit(
    writer: psycopg.Connection, lines: list[tuple[int, str, int]], message: str
) -> None:
    add_postings(writer, add_entry(writer), *lines)
    with pytest.raises(errors.CheckViolation, match=message):
        writer.commit()
    assert [count(writer, table) for table in TABLES[1:]] == [0, 0, 0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ((1, "USD", 5), "posting in USD to account 1 of currency KES"),
        ((99, "KES", 5), "unknown account 99"),
        ((1, "KES", 0), "ledger_posting_amount"),
    ],
)
def test_a_wrong_posting_is_refused_at_once(
    writer: psycopg.Connection, line: tuple[int, str, int], message: str
) -> None:
    entry = add_entry(writer)
    with pytest.raises(errors.IntegrityError, match=message):
        add_postings(writer, entry, line)


def test_a_posting_needs_its_entry(writer: psycopg.Connection) -> None:
    with pytest.raises(errors.ForeignKeyViolation, match="unknown entry 77"):
        add_postings(writer, 77, (1, "KES", 5))


def test_nothing_is_posted_to_a_closed_entry(writer: psycopg.Connection) -> None:
    entry = add_entry(writer)
    add_postings(writer, entry, (1, "KES", 5), (2, "KES", -5))
    writer.commit()
    with pytest.raises(errors.RestrictViolation, match="is closed"):
        add_postings(writer, entry, (1, "KES", 5), (2, "KES", -5))


def test_an_entry_of_an_open_transaction_cannot_be_posted_to_by_another(
    writer: psycopg.Connection, database: str
) -> None:
    entry = add_entry(writer)
    add_postings(writer, entry, (1, "KES", 5), (2, "KES", -5))
    with psycopg.connect(database) as other:
        other.execute("SELECT 1")
        with pytest.raises(errors.ForeignKeyViolation):
            add_postings(other, entry, (1, "KES", 5))
        other.rollback()
        other.execute("SELECT 1")
        writer.commit()
        with pytest.raises(errors.RestrictViolation):
            add_postings(other, entry, (1, "KES", 5))


def test_an_entry_closed_early_takes_no_more_postings(writer: psycopg.Connection) -> None:
    entry = add_entry(writer)
    add_postings(writer, entry, (1, "KES", 5), (2, "KES", -5))
    writer.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(errors.RestrictViolation):
        add_postings(writer, entry, (1, "KES", 5), (2, "KES", -5))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_nothing_is_changed_or_removed(writer: psycopg.Connection, table: str, change: str) -> None:
    add_postings(writer, add_entry(writer), (1, "KES", 5), (2, "KES", -5))
    writer.commit()
    column = {"ledger_account": "code", "ledger_entry": "memo", "ledger_posting": "amount", "ledger_chain": "digest"}[
        table
    ]
    before = count(writer, table)
    with pytest.raises(errors.RestrictViolation, match=f"{table} is append-only"):
        writer.execute(change.format(table, column, column))
    writer.rollback()
    assert count(writer, table) == before > 0


def test_a_rolled_back_savepoint_leaves_no_link(writer: psycopg.Connection) -> None:
    add_postings(writer, add_entry(writer, "kept"), (1, "KES", 5), (2, "KES", -5))
    with writer.transaction(force_rollback=True):
        add_postings(writer, add_entry(writer, "dropped, and unbalanced"), (1, "KES", 5))
    with writer.transaction():
        add_postings(writer, add_entry(writer, "also kept"), (1, "KES", 6), (2, "KES", -6))
    writer.commit()
    found = writer.execute(
        "SELECT l.seq, e.key FROM ledger_chain l JOIN ledger_entry e ON e.id = l.entry_id ORDER BY l.seq"
    ).fetchall()
    assert found == [(1, "kept"), (2, "also kept")]


def test_an_older_snapshot_may_not_append(writer: psycopg.Connection) -> None:
    writer.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    add_postings(writer, add_entry(writer), (1, "KES", 5), (2, "KES", -5))
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="READ COMMITTED"):
        writer.commit()


def test_an_account_code_names_its_currency(writer: psycopg.Connection) -> None:
    with pytest.raises(errors.CheckViolation, match="ledger_account_currency"):
        writer.execute("INSERT INTO ledger_account (code, kind, currency) VALUES ('cash:y:KES', 'asset', 'USD')")


def test_an_account_is_in_a_known_currency(writer: psycopg.Connection) -> None:
    with pytest.raises(errors.ForeignKeyViolation, match="ledger_account_currency_known"):
        writer.execute("INSERT INTO ledger_account (code, kind, currency) VALUES ('cash:y:XXX', 'asset', 'XXX')")


@pytest.mark.parametrize(("table", "column"), [("ledger_currency", "scale"), ("ledger_checkpoint", "balance")])
@pytest.mark.parametrize("change", ["UPDATE {} SET {} = 1", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_scales_and_checkpoints_are_not_changed_either(
    writer: psycopg.Connection, table: str, column: str, change: str
) -> None:
    with pytest.raises(errors.RestrictViolation, match=f"{table} is append-only"):
        writer.execute(change.format(table, column))


def test_a_uint256_fits(writer: psycopg.Connection) -> None:
    largest = 2**256 - 1
    add_postings(writer, add_entry(writer), (1, "KES", largest), (2, "KES", -largest))
    writer.commit()
    assert count(writer, "ledger_chain") == 1


def test_the_server_is_durable(writer: psycopg.Connection) -> None:
    assert writer.execute("SHOW fsync").fetchone() == ("on",)
    assert writer.execute("SHOW synchronous_commit").fetchone() == ("on",)
