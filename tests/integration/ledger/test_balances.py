"""One account is answered from checkpoints, and the payment equation follows the sides of the families."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from fiatrails.kernel.currencies import CURRENCIES, TOKEN_DECIMALS, scale_of
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.accounts import EntryKind, Side
from fiatrails.ledger.balances import balance, currencies, equation, overdrawn, trial_balance
from fiatrails.ledger.models import Account, Checkpoint, Currency
from fiatrails.ledger.posting import EntryDraft, PostingDraft, post
from fiatrails.ledger.verify import verify

pytestmark = pytest.mark.usefixtures("database")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CHECKPOINT_LINKS = 512
ANNA, BEN = "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtVx", "creator-2"


def posted(*drafts: EntryDraft) -> None:
    with transaction.atomic():
        post(drafts, now=NOW)


def payments(first: int, count: int) -> list[EntryDraft]:
    return [
        entries.payment_received(provider="mpesa", receipt=f"R{n}", intent_id=f"I{n}", money=Money("KES", n))
        for n in range(first, first + count)
    ]


def transfer(key: str, kind: EntryKind, *lines: tuple[str, int]) -> EntryDraft:
    return EntryDraft(key, kind, key.partition(":")[2], tuple(PostingDraft(code, amount) for code, amount in lines))


@contextmanager
def tampering(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn) as superuser:
        superuser.execute("SET session_replication_role = replica")
        yield superuser


# -- one account -------------------------------------------------------------------------------------------------


def test_a_balance_is_the_sum_of_the_postings_before_at_and_after_a_checkpoint() -> None:
    total = 0
    for first, count in ((1, CHECKPOINT_LINKS - 1), (CHECKPOINT_LINKS, 1), (CHECKPOINT_LINKS + 1, 600)):
        posted(*payments(first, count))
        total += sum(range(first, first + count))
        assert (balance("cash:mpesa:KES"), balance("pending:KES")) == (total, -total)
    assert set(Checkpoint.objects.values_list("seq", flat=True)) == {CHECKPOINT_LINKS, 2 * CHECKPOINT_LINKS}
    assert verify().ok


def test_an_account_that_rests_keeps_the_balance_of_its_own_checkpoint() -> None:
    posted(transfer("share", EntryKind.MATCH, ("suspense:KES", 7), (f"creator:{ANNA}:KES", -7)))
    posted(*payments(1, 2 * CHECKPOINT_LINKS))
    account = Account.objects.get(code=f"creator:{ANNA}:KES")
    assert list(Checkpoint.objects.filter(account=account).values_list("seq", flat=True)) == [CHECKPOINT_LINKS]
    assert balance(account.code) == -7


def test_nothing_is_read_but_the_entries_since_the_last_checkpoint(database: str) -> None:
    posted(*payments(1, CHECKPOINT_LINKS))
    with tampering(database) as superuser:
        superuser.execute("UPDATE ledger_posting SET amount = amount * 1000")
    assert balance("cash:mpesa:KES") == sum(range(1, CHECKPOINT_LINKS + 1))


def test_an_account_without_postings_has_nothing_and_one_outside_the_chart_is_refused() -> None:
    assert balance("pending:USD") == 0
    with pytest.raises(BadInput, match="unknown_account"):
        balance("nonsense:USD")


def test_a_balance_takes_two_statements() -> None:
    posted(*payments(1, 3))
    with CaptureQueriesContext(connection) as captured:
        assert balance("cash:mpesa:KES") == 6
    assert len(captured) == 2


def test_what_the_open_transaction_has_posted_does_not_count_yet() -> None:
    posted(*payments(1, 1))
    with transaction.atomic():
        post(payments(2, 1), now=NOW)
        assert balance("cash:mpesa:KES") == 1
    assert balance("cash:mpesa:KES") == 3


def test_a_rolled_back_entry_is_in_no_checkpoint() -> None:
    posted(*payments(1, CHECKPOINT_LINKS - 1))
    with transaction.atomic():
        post(payments(5000, 1), now=NOW)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert Checkpoint.objects.count() == 2
        transaction.set_rollback(True)
    assert Checkpoint.objects.count() == 0
    posted(*payments(CHECKPOINT_LINKS, 1))
    assert balance("cash:mpesa:KES") == sum(range(1, CHECKPOINT_LINKS + 1))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("UPDATE ledger_checkpoint SET balance = balance + 1 WHERE account_id = 1", "cash:mpesa:KES"),
        ("DELETE FROM ledger_checkpoint WHERE account_id = 2", "pending:KES"),
        ("INSERT INTO ledger_checkpoint (account_id, seq, balance) VALUES (77, 512, 1)", "account 77"),
    ],
)
def test_a_checkpoint_that_differs_from_the_postings_is_found(database: str, change: str, named: str) -> None:
    posted(*payments(1, CHECKPOINT_LINKS + 10))
    assert list(Account.objects.order_by("id").values_list("code", flat=True)) == ["cash:mpesa:KES", "pending:KES"]
    with tampering(database) as superuser:
        superuser.execute(change)
    assert verify().problems == (f"checkpoint differs from the postings: {named}",)


def test_checkpoints_that_are_gone_are_made_again(database: str) -> None:
    posted(*payments(1, CHECKPOINT_LINKS + 1))
    with tampering(database) as superuser:
        superuser.execute("DELETE FROM ledger_checkpoint")
    assert balance("cash:mpesa:KES") == sum(range(1, CHECKPOINT_LINKS + 2))
    posted(*payments(CHECKPOINT_LINKS + 2, CHECKPOINT_LINKS))
    assert (Checkpoint.objects.count(), verify().ok) == (2, True)


# -- currencies --------------------------------------------------------------------------------------------------


def test_a_currency_is_added_to_the_table_at_its_first_use() -> None:
    assert not Currency.objects.filter(code="QQQ.token").exists()
    posted(transfer("first", EntryKind.MINT, ("token_issued:QQQ.token", 5), ("token_supply:QQQ.token", -5)))
    assert Currency.objects.get(code="QQQ.token").scale == TOKEN_DECIMALS
    assert (balance("token_issued:QQQ.token"), verify().ok) == (5, True)


def test_every_currency_that_was_migrated_has_the_scale_of_the_code() -> None:
    rows = dict(Currency.objects.values_list("code", "scale"))
    assert rows == {code: scale_of(code) for code in rows}
    assert rows.keys() >= CURRENCIES.keys()


# -- the payment equation ----------------------------------------------------------------------------------------


def sell(key: str, cents: int, *shares: tuple[str, int]) -> list[EntryDraft]:
    """A card payment in USD whose price is split when the NFT is minted."""
    paid = entries.payment_received(provider="stripe", receipt=key, intent_id=key, money=Money("USD", cents))
    return [
        paid,
        transfer(f"mint:{key}", EntryKind.MINT, ("pending:USD", cents), *((code, -part) for code, part in shares)),
    ]


def test_what_was_sold_for_creators_is_delivered_by_family() -> None:
    posted(*sell("A", 1000, (f"creator:{ANNA}:USD", 700), (f"creator:{BEN}:USD", 200), ("platform:USD", 100)))
    found = equation("USD")
    assert (found.paid, found.delivered, found.minted, found.pending, found.holds) == (1000, 1000, 0, 0, True)
    assert {name: owed for name, owed in found.owed.items() if owed} == {"creator": 900, "platform": 100}
    assert [balance(f"creator:{party}:USD") for party in (ANNA, BEN)] == [-700, -200]


def test_money_that_goes_back_after_the_delivery_leaves_what_was_delivered() -> None:
    posted(*sell("A", 1000, (f"creator:{ANNA}:USD", 900), ("platform:USD", 100)))
    back = [(f"creator:{ANNA}:USD", 450), ("platform:USD", 50), ("cash:stripe:USD", -500)]
    posted(transfer("refund:A:1", EntryKind.REFUND, *back))
    found = equation("USD")
    assert (found.paid, found.delivered, found.returned, found.holds) == (1000, 500, 500, True)


def test_a_share_beyond_what_was_delivered_breaks_the_equation() -> None:
    posted(*sell("A", 1000, (f"creator:{ANNA}:USD", 1000)))
    posted(transfer("wrong", EntryKind.MATCH, (f"creator:{ANNA}:USD", 1001), ("platform:USD", -1001)))
    found = equation("USD")
    assert (found.delivered, found.owed["creator"], found.holds) == (1000, -1, False)


def test_a_share_that_leaves_without_a_flow_breaks_the_equation() -> None:
    posted(*sell("A", 1000, (f"creator:{ANNA}:USD", 1000)))
    posted(transfer("wrong", EntryKind.FEE, (f"creator:{ANNA}:USD", 10), ("cash:stripe:USD", -10)))
    assert not equation("USD").holds


def test_the_rail_of_country_tokens_is_the_special_case() -> None:
    posted(
        *payments(100, 2),
        entries.mint_executed(intent_id="I100", money=Money("KES", 100), token_amount=10**18, country="KES"),
        entries.refund_settled(intent_id="I101", money=Money("KES", 101), provider="mpesa"),
    )
    found = equation("KES")
    assert (found.delivered, found.returned) == (found.minted, found.refunded) == (100, 101)
    assert found.side(Side.PENDING) == found.pending == 0
    assert found.holds


def test_currencies_are_those_that_were_posted_in() -> None:
    assert currencies() == []
    posted(*payments(1, 1), *sell("A", 10, ("platform:USD", 10)))
    posted(entries.mint_executed(intent_id="I1", money=Money("KES", 1), token_amount=1, country="KES"))
    assert currencies() == ["KES", "USD"]
    assert {account.currency for account in trial_balance()} == {"KES", "KES.token", "USD"}
    assert (overdrawn("KES"), overdrawn("USD")) == ([], [])
