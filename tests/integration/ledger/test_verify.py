"""What `verify` finds when somebody with superuser rights switched the guards off and changed history."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import transaction

from fiatrails.kernel.hash_chain import Anchor
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.accounts import EntryKind
from fiatrails.ledger.posting import EntryDraft, PostingDraft, post
from fiatrails.ledger.verify import equation, head, overdrawn, trial_balance, verify

NOW = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)
TOKEN = 10**16


def kes(minor: int) -> Money:
    return Money("KES", minor)


@pytest.fixture
def filled(database: str) -> str:
    """One of everything: intent A minted, B refunded, C pending, a late match, a surplus, a fee."""
    drafts = [
        entries.payment_received(provider="mpesa", receipt="A", intent_id="A", money=kes(1000)),
        entries.payment_received(provider="mpesa", receipt="B", intent_id="B", money=kes(200)),
        EntryDraft(
            "payment:mpesa:C",
            EntryKind.PAYMENT,
            "C",
            (PostingDraft("cash:mpesa:KES", 34), PostingDraft("pending:KES", -30), PostingDraft("suspense:KES", -4)),
        ),
        entries.unmatched_payment(provider="mpesa", receipt="D", money=kes(500)),
        entries.unmatched_payment(provider="mpesa", receipt="E", money=kes(60)),
        entries.payment_matched(provider="mpesa", receipt="D", intent_id="D", money=kes(500)),
        entries.suspense_refunded(provider="mpesa", receipt="E", money=kes(60)),
        entries.mint_executed(intent_id="A", money=kes(1000), token_amount=1000 * TOKEN, country="KES"),
        entries.refund_settled(intent_id="B", money=kes(200), provider="mpesa"),
        EntryDraft(
            "fee:mpesa:1", EntryKind.FEE, "", (PostingDraft("fees:mpesa:KES", 7), PostingDraft("cash:mpesa:KES", -7))
        ),
    ]
    with transaction.atomic():
        post(drafts, now=NOW)
    return database


@contextmanager
def tampering(dsn: str) -> Iterator[psycopg.Connection]:
    """A superuser's session in which no trigger fires."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def test_an_untouched_ledger_verifies_with_progress(filled: str) -> None:
    seen: list[tuple[int, int]] = []
    found = verify(progress=lambda done, total: seen.append((done, total)), anchor=head())
    assert (found.ok, found.entries, found.first_broken, found.problems) == (True, 10, None, ())
    assert seen == [(10, 10)]


def test_an_empty_ledger_verifies(database: str) -> None:
    assert (verify().ok, verify().entries, trial_balance()) == (True, 0, [])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_entry SET memo = 'x' WHERE id = {}",
        "UPDATE ledger_entry SET reference = 'Z' WHERE id = {}",
        "UPDATE ledger_entry SET at = at + interval '1 microsecond' WHERE id = {}",
        "UPDATE ledger_entry SET kind = 'adjustment' WHERE id = {}",
        "UPDATE ledger_posting SET amount = amount * 2 WHERE entry_id = {}",
        "UPDATE ledger_posting SET account_id = 1 WHERE entry_id = {}",
        "DELETE FROM ledger_posting WHERE entry_id = {}",
        "INSERT INTO ledger_posting (entry_id, account_id, currency, amount) "
        "VALUES ({0}, 1, 'KES', 1), ({0}, 1, 'KES', -1)",
        "DELETE FROM ledger_entry WHERE id = {}",
        "DELETE FROM ledger_chain WHERE entry_id = {}",
        "UPDATE ledger_chain SET digest = sha256('x') WHERE entry_id = {}",
        "UPDATE ledger_chain SET previous = sha256('x') WHERE entry_id = {}",
    ],
)
def test_a_changed_row_breaks_the_chain_there(filled: str, change: str) -> None:
    with tampering(filled) as superuser:
        row = superuser.execute("SELECT entry_id FROM ledger_chain WHERE seq = 4").fetchone()
        assert row is not None
        superuser.execute(change.format(row[0]))
    found = verify()
    assert (found.ok, found.first_broken) == (False, 4), found.problems


def test_a_renamed_account_breaks_the_chain(filled: str) -> None:
    with tampering(filled) as superuser:
        superuser.execute("UPDATE ledger_account SET code = 'cash:other:KES' WHERE code = 'cash:mpesa:KES'")
    assert verify().first_broken == 1


def test_an_entry_that_escaped_the_trigger_is_found(filled: str) -> None:
    with tampering(filled) as superuser:
        superuser.execute(
            "INSERT INTO ledger_entry (key, kind, reference, at, memo) VALUES ('smuggled', 'mint', '', %s, '')", [NOW]
        )
        superuser.execute(
            "INSERT INTO ledger_posting (entry_id, account_id, currency, amount) "
            "SELECT max(id), 1, 'KES', 5 FROM ledger_entry"
        )
    problems = " | ".join(verify().problems)
    assert "entry not in the chain: smuggled" in problems
    assert "does not balance" in problems
    assert "trial balance of KES is off by 5" in problems


def test_an_end_that_was_cut_off_shows_against_an_anchor_only(filled: str) -> None:
    anchor = head()
    with tampering(filled) as superuser:
        superuser.execute(
            "DELETE FROM ledger_posting WHERE entry_id = (SELECT entry_id FROM ledger_chain WHERE seq = 10)"
        )
        superuser.execute("DELETE FROM ledger_entry WHERE id = (SELECT entry_id FROM ledger_chain WHERE seq = 10)")
        superuser.execute("DELETE FROM ledger_chain WHERE seq = 10")
    assert verify().ok
    assert verify(anchor=anchor).first_broken == 10
    assert verify(anchor=Anchor(9, bytes(32))).first_broken == 9


@pytest.mark.parametrize(
    ("table", "trigger"),
    [
        ("ledger_entry", "close_entry"),
        ("ledger_posting", "check_postings"),
        ("ledger_posting", "append_only"),
        ("ledger_chain", "append_only"),
        ("ledger_chain", "add_checkpoint"),
        ("ledger_checkpoint", "append_only"),
        ("ledger_currency", "append_only"),
    ],
)
def test_a_guard_that_was_switched_off_is_found(filled: str, table: str, trigger: str) -> None:
    with psycopg.connect(filled) as superuser:
        superuser.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    assert verify().problems == (f"guard missing or disabled: {trigger} on {table}",)


@pytest.mark.parametrize(
    ("change", "undo", "problem"),
    [
        (
            "INSERT INTO ledger_account (code, kind, currency) VALUES ('other:KES', 'asset', 'KES')",
            "SELECT",
            "account code 'other:KES' is not in the chart of accounts",
        ),
        (
            "INSERT INTO ledger_account (code, kind, currency) VALUES ('pending:USD', 'asset', 'USD')",
            "SELECT",
            "account pending:USD is of kind asset, its family of kind liability",
        ),
        (
            "UPDATE ledger_currency SET scale = 3 WHERE code = 'KES'",
            "UPDATE ledger_currency SET scale = 2 WHERE code = 'KES'",
            "currency KES has 3 decimals here, and 2 in the code",
        ),
        (
            "INSERT INTO ledger_currency VALUES ('XXX', 4)",
            "DELETE FROM ledger_currency WHERE code = 'XXX'",
            "currency XXX has 4 decimals here, and None in the code",
        ),
    ],
)
def test_what_is_outside_the_chart_is_found(filled: str, change: str, undo: str, problem: str) -> None:
    with tampering(filled) as superuser:
        superuser.execute(change)
    try:
        assert verify().problems == (problem,)
    finally:
        # Currencies are kept from test to test.
        with tampering(filled) as superuser:
            superuser.execute(undo)


def test_an_entry_of_an_unknown_kind_is_found(filled: str) -> None:
    with psycopg.connect(filled) as writer:
        writer.execute("INSERT INTO ledger_entry (key, kind, reference, at, memo) VALUES ('k', 'gift', '', now(), '')")
        writer.execute(
            "INSERT INTO ledger_posting (entry_id, account_id, currency, amount) "
            "SELECT entry.id, account.id, 'KES', CASE account.code WHEN 'pending:KES' THEN 5 ELSE -5 END "
            "FROM ledger_entry entry, ledger_account account "
            "WHERE entry.key = 'k' AND account.code IN ('pending:KES', 'minted:KES')"
        )
    assert verify().problems == ("entry of a kind that is not in the chart: k",)
    assert equation("KES").holds


def test_the_trial_balance_sums_to_zero_per_currency(filled: str) -> None:
    balances = {account.code: account.balance for account in trial_balance()}
    assert balances == {
        "cash:mpesa:KES": 1794 - 60 - 200 - 7,
        "pending:KES": -(30 + 500),
        "suspense:KES": -4,
        "minted:KES": -1000,
        "fees:mpesa:KES": 7,
        "token_issued:KES.token": 1000 * TOKEN,
        "token_supply:KES.token": -1000 * TOKEN,
    }


def test_the_equation_holds(filled: str) -> None:
    found = equation("KES")
    assert (found.paid, found.minted, found.pending, found.suspense, found.refunded) == (1794, 1000, 530, 4, 260)
    assert found.holds
    assert overdrawn("KES") == []


@pytest.mark.parametrize(
    ("kind", "debit", "credit"),
    [
        (EntryKind.FEE, "pending:KES", "cash:mpesa:KES"),
        (EntryKind.PAYMENT, "fees:mpesa:KES", "pending:KES"),
        (EntryKind.REFUND, "pending:KES", "fees:mpesa:KES"),
        (EntryKind.MINT, "cash:mpesa:KES", "minted:KES"),
    ],
)
def test_money_that_goes_where_it_does_not_belong_breaks_the_equation(
    filled: str, kind: EntryKind, debit: str, credit: str
) -> None:
    with transaction.atomic():
        post([EntryDraft("wrong", kind, "C", (PostingDraft(debit, 5), PostingDraft(credit, -5)))], now=NOW)
    assert verify().ok
    assert not equation("KES").holds


def test_a_correction_by_hand_is_shown_and_holds(filled: str) -> None:
    lines = (PostingDraft("suspense:KES", 4), PostingDraft("fees:mpesa:KES", -4))
    with transaction.atomic():
        post([EntryDraft("adjust:1", EntryKind.ADJUSTMENT, "", lines)], now=NOW)
    found = equation("KES")
    assert (found.adjusted, found.suspense, found.holds) == (-4, 0, True)


def test_minting_more_than_was_paid_shows_by_intent(filled: str) -> None:
    with transaction.atomic():
        post([entries.mint_executed(intent_id="C", money=kes(31), token_amount=TOKEN, country="KES")], now=NOW)
    assert overdrawn("KES") == [("C", 1)]
    assert equation("KES").holds, "the sum of all intents hides it, which is why `overdrawn` exists"
