"""Builders are pure: whatever the amounts, an entry balances, and the payment equation holds over any
history."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.kernel.currencies import CURRENCIES
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import MAX_MINOR, MAX_UINT256, Money
from fiatrails.ledger import accounts, entries
from fiatrails.ledger.accounts import AccountKind, EntryKind, account_spec
from fiatrails.ledger.entries import EntryDraft, PostingDraft

minors = st.integers(1, MAX_MINOR // 2)
moneys = st.builds(Money, st.sampled_from(sorted(CURRENCIES)), minors)
names = st.text(min_size=1, max_size=40)
PROVIDERS = ["mpesa", "stripe", "coinbase"]
providers = st.sampled_from(PROVIDERS)
drafts = st.one_of(
    st.builds(entries.payment_received, provider=providers, receipt=names, intent_id=names, money=moneys),
    st.builds(entries.unmatched_payment, provider=providers, receipt=names, money=moneys),
    st.builds(entries.payment_matched, provider=providers, receipt=names, intent_id=names, money=moneys),
    st.builds(
        entries.mint_executed,
        intent_id=names,
        money=moneys,
        token_amount=st.integers(1, MAX_UINT256),
        country=st.sampled_from(["KES", "UGX"]),
    ),
    st.builds(entries.refund_settled, intent_id=names, money=moneys, provider=providers, refund_id=st.text(max_size=5)),
    st.builds(entries.suspense_refunded, provider=providers, receipt=names, money=moneys),
    st.builds(entries.overpayment_to_suspense, intent_id=names, money=moneys),
    st.builds(entries.shortfall_written_off, intent_id=names, money=moneys),
)


@given(drafts)
def test_every_entry_sums_to_zero_per_currency(draft: EntryDraft) -> None:
    totals: dict[str, int] = defaultdict(int)
    for line in draft.postings:
        totals[account_spec(line.account_code).currency] += line.amount
    assert totals
    assert set(totals.values()) == {0}
    assert len(draft.postings) >= 2 * len(totals)


@given(st.lists(drafts, max_size=30), st.sampled_from(sorted(CURRENCIES)))
def test_the_payment_equation_holds_over_any_history(history: list[EntryDraft], currency: str) -> None:
    owing = {account(currency) for account in (accounts.minted, accounts.pending, accounts.suspense)}

    def moved(kinds: set[EntryKind], codes: set[str]) -> int:
        lines = (line for draft in history if draft.kind in kinds for line in draft.postings)
        return sum(line.amount for line in lines if line.account_code in codes)

    cash = {accounts.cash(provider, currency) for provider in PROVIDERS}
    paid, refunded = moved({EntryKind.PAYMENT}, cash), -moved({EntryKind.REFUND}, cash)
    adjusted, owed = -moved({EntryKind.ADJUSTMENT}, owing), -moved(set(EntryKind), owing)
    assert paid + adjusted == owed + refunded


@given(providers, names, moneys)
def test_every_form_of_one_receipt_has_one_key(provider: str, receipt: str, money: Money) -> None:
    known = entries.payment_received(provider=provider, receipt=receipt, intent_id="i", money=money)
    unknown = entries.unmatched_payment(provider=provider, receipt=receipt, money=money)
    assert {known.key, unknown.key} == {f"payment:{provider}:{receipt}"}


def test_a_mint_moves_fiat_and_token() -> None:
    draft = entries.mint_executed(intent_id="0x1", money=Money("KES", 150), token_amount=15 * 10**17, country="KES")
    assert draft.postings == (
        PostingDraft("pending:KES", 150),
        PostingDraft("minted:KES", -150),
        PostingDraft("token_issued:KES.token", 15 * 10**17),
        PostingDraft("token_supply:KES.token", -15 * 10**17),
    )
    assert (draft.key, draft.kind, draft.reference) == ("mint:0x1", EntryKind.MINT, "0x1")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (PostingDraft("pending:KES", 1),),
        (PostingDraft("pending:KES", 1), PostingDraft("minted:KES", -2)),
        (PostingDraft("pending:KES", 1), PostingDraft("pending:USD", -1)),
        (PostingDraft("pending:KES", 0), PostingDraft("minted:KES", 0)),
        (PostingDraft("pending:KES", MAX_UINT256 + 1), PostingDraft("minted:KES", -MAX_UINT256 - 1)),
        (PostingDraft("nonsense:KES", 1), PostingDraft("minted:KES", -1)),
    ],
)
def test_a_draft_that_the_database_would_refuse_is_never_built(lines: tuple[PostingDraft, ...]) -> None:
    with pytest.raises(BadInput):
        EntryDraft("k", EntryKind.ADJUSTMENT, "", lines)


def test_a_draft_needs_a_key() -> None:
    with pytest.raises(BadInput, match="unbalanced_entry"):
        EntryDraft("", EntryKind.ADJUSTMENT, "", (PostingDraft("pending:KES", 1), PostingDraft("minted:KES", -1)))


@pytest.mark.parametrize(
    ("code", "kind", "currency"),
    [
        (accounts.cash("mpesa", "KES"), AccountKind.ASSET, "KES"),
        (accounts.pending("UGX"), AccountKind.LIABILITY, "UGX"),
        (accounts.suspense("KES"), AccountKind.LIABILITY, "KES"),
        (accounts.minted("KES"), AccountKind.LIABILITY, "KES"),
        ("fees:mpesa:KES", AccountKind.EXPENSE, "KES"),
        (accounts.token_issued("KES"), AccountKind.ASSET, "KES.token"),
        (accounts.token_supply("KES"), AccountKind.LIABILITY, "KES.token"),
    ],
)
def test_a_code_says_kind_and_currency(code: str, kind: AccountKind, currency: str) -> None:
    assert (account_spec(code).kind, account_spec(code).currency) == (kind, currency)


@pytest.mark.parametrize(
    "code", ["", "cash", "cash:mpesa", "CASH:mpesa:KES", "cash:mpesa:kes", "cash:m:p:KES", "x:KES"]
)
def test_a_code_outside_the_chart_is_refused(code: str) -> None:
    with pytest.raises(BadInput, match="unknown_account"):
        account_spec(code)
