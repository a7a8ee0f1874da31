"""The chart of accounts: which accounts exist, of what kind, and how a code names its currency.

| code                           | kind      | balance says                                                  |
| ------------------------------ | --------- | ------------------------------------------------------------- |
| `cash:<provider>:<CUR>`        | asset     | what the provider holds for us                                |
| `pending:<CUR>`                | liability | paid by a known payer; owed as tokens or as money back        |
| `suspense:<CUR>`               | liability | received for no intent: unmatched, or above the price         |
| `minted:<CUR>`                 | liability | stands behind the tokens that were minted for it              |
| `fees:<provider>:<CUR>`        | expense   | what the provider kept for its service                        |
| `shortfall:<CUR>`              | expense   | what an operator accepted as not paid                         |
| `token_issued:<COUNTRY>.token` | asset     | counterpart of the supply, in token base units                |
| `token_supply:<COUNTRY>.token` | liability | tokens in circulation by our mints; compared with the chain   |

Amounts are integers: minor units of a fiat currency, base units (18 decimals) of a token. Debit is positive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from fiatrails.kernel.errors import BadInput


class AccountKind(StrEnum):
    """The five kinds of double entry."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


class EntryKind(StrEnum):
    """What happened."""

    PAYMENT = "payment"
    MATCH = "match"
    MINT = "mint"
    REFUND = "refund"
    FEE = "fee"
    ADJUSTMENT = "adjustment"


KIND_OF_FAMILY = {
    "cash": AccountKind.ASSET,
    "pending": AccountKind.LIABILITY,
    "suspense": AccountKind.LIABILITY,
    "minted": AccountKind.LIABILITY,
    "fees": AccountKind.EXPENSE,
    "shortfall": AccountKind.EXPENSE,
    "token_issued": AccountKind.ASSET,
    "token_supply": AccountKind.LIABILITY,
}
_CODE = re.compile(r"(?P<family>[a-z_]+)(?::[a-z0-9_]+)?:(?P<currency>[A-Z]{3}(?:\.token)?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """What a code says about its account."""

    code: str
    kind: AccountKind
    currency: str


@lru_cache(maxsize=1024)
def account_spec(code: str) -> AccountSpec:
    """`cash:mpesa:KES` -> an asset in KES; BadInput when the chart has no such family or the code is
    malformed."""
    match = _CODE.fullmatch(code)
    if match is None or match["family"] not in KIND_OF_FAMILY:
        raise BadInput("unknown_account", f"account code {code[:64]!r} is not in the chart of accounts")
    return AccountSpec(code, KIND_OF_FAMILY[match["family"]], match["currency"])


def cash(provider: str, currency: str) -> str:
    """Code of what `provider` holds for us."""
    return f"cash:{provider}:{currency}"


def pending(currency: str) -> str:
    """Code of what was paid and is not yet minted or returned."""
    return f"pending:{currency}"


def suspense(currency: str) -> str:
    """Code of money that belongs to no intent."""
    return f"suspense:{currency}"


def minted(currency: str) -> str:
    """Code of the fiat behind minted tokens."""
    return f"minted:{currency}"


def fees(provider: str, currency: str) -> str:
    """Code of what `provider` charged."""
    return f"fees:{provider}:{currency}"


def shortfall(currency: str) -> str:
    """Code of what was written off when too small a payment was accepted."""
    return f"shortfall:{currency}"


def token_currency(country: str) -> str:
    """`KES` -> `KES.token`, the currency of that country's token."""
    return f"{country}.token"


def token_issued(country: str) -> str:
    """Code of the counterpart of the token supply."""
    return f"token_issued:{token_currency(country)}"


def token_supply(country: str) -> str:
    """Code of the tokens in circulation."""
    return f"token_supply:{token_currency(country)}"
