"""What each business event posts. Pure builders: same arguments, same entry, so posting again is harmless.

Every builder keeps *paid = pending + delivered + suspense + returned* per currency: a payment adds to one of the
right sides, and everything later moves between them or out to the payer. Accounts and their sides are in `accounts`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import MAX_UINT256, Money
from fiatrails.ledger import accounts
from fiatrails.ledger.accounts import EntryKind, account_spec


@dataclass(frozen=True, slots=True)
class PostingDraft:
    """One posting: signed minor or base units, debit positive, never zero."""

    account_code: str
    amount: int


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """An entry to be posted. `key` identifies the event for ever; `reference` is the intent id, or empty.

    BadInput when it would be refused at COMMIT: there, one bad draft would sink its whole batch.
    """

    key: str
    kind: EntryKind
    reference: str
    postings: tuple[PostingDraft, ...]
    memo: str = ""

    def __post_init__(self) -> None:
        totals: dict[str, int] = defaultdict(int)
        for line in self.postings:
            if line.amount == 0 or abs(line.amount) > MAX_UINT256:
                raise BadInput("bad_posting", f"entry {self.key}: an amount is zero or above 2**256 - 1")
            totals[account_spec(line.account_code).currency] += line.amount
        if not self.key or not totals or any(totals.values()):
            raise BadInput("unbalanced_entry", f"entry {self.key!r}: postings must sum to zero per currency")


def payment_received(*, provider: str, receipt: str, intent_id: str, money: Money) -> EntryDraft:
    """Book a payment for a known intent: Dr cash, Cr pending."""
    return _payment(provider, receipt, intent_id, money, credit=accounts.pending(money.currency))


def unmatched_payment(*, provider: str, receipt: str, money: Money) -> EntryDraft:
    """Book a payment whose intent is not known (yet): Dr cash, Cr suspense."""
    return _payment(provider, receipt, "", money, credit=accounts.suspense(money.currency))


def payment_matched(*, provider: str, receipt: str, intent_id: str, money: Money) -> EntryDraft:
    """Book that an unmatched payment found its intent: Dr suspense, Cr pending. One receipt is matched once."""
    return _transfer(
        f"match:{provider}:{receipt}",
        EntryKind.MATCH,
        intent_id,
        debit=accounts.suspense(money.currency),
        credit=accounts.pending(money.currency),
        amount=money.minor,
    )


def mint_executed(*, intent_id: str, money: Money, token_amount: int, country: str) -> EntryDraft:
    """Book a final mint. Fiat (`money`, minor units): Dr pending, Cr minted. Token (`token_amount`, base units of
    the country's token): Dr token_issued, Cr token_supply. One intent is minted once: the key is the
    intent."""
    return EntryDraft(
        key=f"mint:{intent_id}",
        kind=EntryKind.MINT,
        reference=intent_id,
        postings=(
            PostingDraft(accounts.pending(money.currency), money.minor),
            PostingDraft(accounts.minted(money.currency), -money.minor),
            PostingDraft(accounts.token_issued(country), token_amount),
            PostingDraft(accounts.token_supply(country), -token_amount),
        ),
    )


def tokens_redeemed(*, change: str, country: str, amount: int, memo: str) -> EntryDraft:
    """Book that a holder gave tokens back for their backing: Dr token_supply, Cr token_issued. `change` names the event
    for ever, whatever the chain."""
    lines = _moved(accounts.token_supply(country), accounts.token_issued(country), amount)
    return EntryDraft(f"redemption:{change}", EntryKind.REDEMPTION, "", lines, memo)


def tokens_burned(*, change: str, country: str, amount: int, memo: str) -> EntryDraft:
    """Book that a holder destroyed tokens, whose backing stays: Dr token_supply, Cr token_burned."""
    lines = _moved(accounts.token_supply(country), accounts.token_burned(country), amount)
    return EntryDraft(f"burn:{change}", EntryKind.BURN, "", lines, memo)


def minted_outside(*, change: str, reference: str, country: str, amount: int, memo: str) -> EntryDraft:
    """Book a mint for a deposit that somebody made on the chain: Dr token_issued, Cr token_supply. No fiat of ours is
    in it."""
    lines = _moved(accounts.token_issued(country), accounts.token_supply(country), amount)
    return EntryDraft(f"outside_mint:{change}", EntryKind.OUTSIDE_MINT, reference, lines, memo)


def refund_settled(*, intent_id: str, money: Money, provider: str, refund_id: str = "") -> EntryDraft:
    """Book that the provider has paid a known payer back: Dr pending, Cr cash. `refund_id` tells partial refunds of one
    intent apart; without it an intent is refunded once."""
    return _transfer(
        f"refund:{intent_id}:{refund_id}" if refund_id else f"refund:{intent_id}",
        EntryKind.REFUND,
        intent_id,
        debit=accounts.pending(money.currency),
        credit=accounts.cash(provider, money.currency),
        amount=money.minor,
    )


def suspense_refunded(*, provider: str, receipt: str, money: Money, intent_id: str = "") -> EntryDraft:
    """Book that money of no intent (unmatched or surplus) went back: Dr suspense, Cr cash. One receipt is returned
    once."""
    return _transfer(
        f"refund:{provider}:{receipt}",
        EntryKind.REFUND,
        intent_id,
        debit=accounts.suspense(money.currency),
        credit=accounts.cash(provider, money.currency),
        amount=money.minor,
    )


def returned_after_delivery(*, provider: str, receipt: str, money: Money) -> list[EntryDraft]:
    """Book that money went back although its purchase was delivered: the house pays. Dr shortfall, Cr pending; then Dr
    pending, Cr cash. Neither names the intent, whose own money stays what it was."""
    pending = accounts.pending(money.currency)
    return [
        _transfer(
            f"adjustment:lost:{provider}:{receipt}",
            EntryKind.ADJUSTMENT,
            "",
            debit=accounts.shortfall(money.currency),
            credit=pending,
            amount=money.minor,
        ),
        _transfer(
            f"refund:lost:{provider}:{receipt}",
            EntryKind.REFUND,
            "",
            debit=pending,
            credit=accounts.cash(provider, money.currency),
            amount=money.minor,
        ),
    ]


def overpayment_to_suspense(*, intent_id: str, money: Money) -> EntryDraft:
    """Book what is over when an operator accepted too large a payment; it waits to be returned: Dr pending, Cr
    suspense."""
    return _transfer(
        f"adjustment:over:{intent_id}",
        EntryKind.ADJUSTMENT,
        intent_id,
        debit=accounts.pending(money.currency),
        credit=accounts.suspense(money.currency),
        amount=money.minor,
    )


def shortfall_written_off(*, intent_id: str, money: Money) -> EntryDraft:
    """Book what the house pays when an operator accepted too small a payment: Dr shortfall, Cr pending."""
    return _transfer(
        f"adjustment:short:{intent_id}",
        EntryKind.ADJUSTMENT,
        intent_id,
        debit=accounts.shortfall(money.currency),
        credit=accounts.pending(money.currency),
        amount=money.minor,
    )


def _payment(provider: str, receipt: str, intent_id: str, money: Money, *, credit: str) -> EntryDraft:
    # One key for either form of a payment: a receipt counts once, whether it was matched at first sight or not.
    return _transfer(
        f"payment:{provider}:{receipt}",
        EntryKind.PAYMENT,
        intent_id,
        debit=accounts.cash(provider, money.currency),
        credit=credit,
        amount=money.minor,
    )


def _transfer(key: str, kind: EntryKind, reference: str, *, debit: str, credit: str, amount: int) -> EntryDraft:
    return EntryDraft(key=key, kind=kind, reference=reference, postings=_moved(debit, credit, amount))


def _moved(debit: str, credit: str, amount: int) -> tuple[PostingDraft, PostingDraft]:
    return PostingDraft(debit, amount), PostingDraft(credit, -amount)
