"""The chart of accounts: families and entry kinds as data, and the code that names each account.

Everything that depends on a family or kind is derived from the two tables here: the shape of a code, the kind of an
account, the payment equation, what `verify` accepts, and the page `docs/reference/ledger.md`. A new family or kind is
one line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from fiatrails.kernel.currencies import scale_of, token_currency
from fiatrails.kernel.errors import BadInput

CODE_LENGTH = 64


class AccountKind(StrEnum):
    """The five kinds of double entry."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


class Side(StrEnum):
    """Where the balance of an account stands in *paid = pending + delivered + suspense + returned*. CASH is where
    `paid` and `returned` pass through; which of them an entry is, its kind says."""

    CASH = "cash"
    PENDING = "pending"
    DELIVERED = "delivered"
    SUSPENSE = "suspense"


class EquationTerm(StrEnum):
    """What an entry adds to the payment equation beside balances: money that came in or went back through cash, or a
    correction by hand of the other sides."""

    PAID = "paid"
    RETURNED = "returned"
    ADJUSTED = "adjusted"


class EntryKind(StrEnum):
    """What happened."""

    PAYMENT = "payment"
    MATCH = "match"
    MINT = "mint"
    REFUND = "refund"
    FEE = "fee"
    ADJUSTMENT = "adjustment"
    REDEMPTION = "redemption"
    BURN = "burn"
    OUTSIDE_MINT = "outside_mint"


TERM_OF_KIND: Mapping[str, EquationTerm | None] = {
    EntryKind.PAYMENT: EquationTerm.PAID,
    EntryKind.MATCH: None,
    EntryKind.MINT: None,
    EntryKind.REFUND: EquationTerm.RETURNED,
    EntryKind.FEE: None,
    EntryKind.ADJUSTMENT: EquationTerm.ADJUSTED,
    EntryKind.REDEMPTION: None,
    EntryKind.BURN: None,
    EntryKind.OUTSIDE_MINT: None,
}


@dataclass(frozen=True, slots=True)
class Family:
    """Accounts that differ in provider, party or currency only. `form` is their code with placeholders; `balance`
    tells an operator what their balance says; without a `side` they stand outside the payment equation."""

    form: str
    kind: AccountKind
    side: Side | None
    balance: str

    @property
    def name(self) -> str:
        """The first word of every code of the family."""
        return self.form.partition(":")[0]


_CHART = (
    Family("cash:<provider>:<CUR>", AccountKind.ASSET, Side.CASH, "what the provider holds for us"),
    Family(
        "pending:<CUR>", AccountKind.LIABILITY, Side.PENDING, "paid by a known payer; owed as tokens or as money back"
    ),
    Family(
        "suspense:<CUR>", AccountKind.LIABILITY, Side.SUSPENSE, "received for no intent: unmatched, or above the price"
    ),
    Family("minted:<CUR>", AccountKind.LIABILITY, Side.DELIVERED, "stands behind the tokens that were minted for it"),
    Family("creator:<party>:<CUR>", AccountKind.LIABILITY, Side.DELIVERED, "a creator's share of what was sold"),
    Family("platform:<CUR>", AccountKind.INCOME, Side.DELIVERED, "the platform's share of what was sold"),
    Family("fees:<provider>:<CUR>", AccountKind.EXPENSE, None, "what the provider kept for its service"),
    Family("shortfall:<CUR>", AccountKind.EXPENSE, None, "what an operator accepted as not paid"),
    Family(
        "token_issued:<COUNTRY>.token",
        AccountKind.ASSET,
        None,
        "what the escrow holds as backing of tokens; compared with the chain",
    ),
    Family(
        "token_supply:<COUNTRY>.token", AccountKind.LIABILITY, None, "tokens in circulation; compared with the chain"
    ),
    Family("token_burned:<COUNTRY>.token", AccountKind.EQUITY, None, "backing of tokens that their holders burnt"),
)
FAMILIES: Mapping[str, Family] = {family.name: family for family in _CHART}
# A party is an id of ours or an address of any chain, whose case is kept.
_PLACES = {
    "<provider>": "[a-z0-9_]+",
    "<party>": "[A-Za-z0-9_.-]+",
    "<CUR>": "(?P<currency>[A-Z][A-Z0-9]{2,7})",
    "<COUNTRY>.token": r"(?P<currency>[A-Z]{3}\.token)",
}


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """What a code says about its account."""

    code: str
    family: Family
    currency: str

    @property
    def kind(self) -> AccountKind:
        """The kind, which follows from the family."""
        return self.family.kind


@lru_cache(maxsize=4096)
def account_spec(code: str) -> AccountSpec:
    """Read an account code: `cash:mpesa:KES` is an asset in KES. BadInput when the chart has no such family, the code
    is malformed or too long, or the currency is not supported."""
    family = FAMILIES.get(code.partition(":")[0])
    match = _pattern(family.form).fullmatch(code) if family is not None else None
    if family is None or match is None or len(code) > CODE_LENGTH:
        raise BadInput("unknown_account", f"account code {code[:CODE_LENGTH]!r} is not in the chart of accounts")
    scale_of(match["currency"])
    return AccountSpec(code, family, match["currency"])


@lru_cache
def _pattern(form: str) -> re.Pattern[str]:
    for place, pattern in _PLACES.items():
        form = form.replace(place, pattern)
    return re.compile(form, re.ASCII)


def cash(provider: str, currency: str) -> str:
    """Return the code of what `provider` holds for us."""
    return f"cash:{provider}:{currency}"


def pending(currency: str) -> str:
    """Return the code of what was paid and is not yet minted or returned."""
    return f"pending:{currency}"


def suspense(currency: str) -> str:
    """Return the code of money that belongs to no intent."""
    return f"suspense:{currency}"


def minted(currency: str) -> str:
    """Return the code of the fiat behind minted tokens."""
    return f"minted:{currency}"


def shortfall(currency: str) -> str:
    """Return the code of what was written off when too small a payment was accepted."""
    return f"shortfall:{currency}"


def token_issued(country: str) -> str:
    """Return the code of the backing that stands behind tokens."""
    return f"token_issued:{token_currency(country)}"


def token_supply(country: str) -> str:
    """Return the code of the tokens in circulation."""
    return f"token_supply:{token_currency(country)}"


def token_burned(country: str) -> str:
    """Return the code of the backing that no token claims any more."""
    return f"token_burned:{token_currency(country)}"


def country_of(code: str) -> str:
    """Return the country of a token's account: `token_supply:KES.token` -> `KES`."""
    return account_spec(code).currency.removesuffix(token_currency(""))
