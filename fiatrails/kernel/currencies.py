"""The currencies that the rail knows, each with its scale: the number of decimals of its smallest unit.

This is the only place that says so. Money, the profile and the ledger read it, and PostgreSQL holds a copy
(`ledger_currency`) which every account refers to. A new currency is one line here: posting in it for the first
time writes its row. The scale of a listed currency never changes, because stored amounts would change with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fiatrails.kernel.errors import BadInput

# ISO 4217 codes with their exponents: what payers pay in.
FIAT: Mapping[str, int] = {
    "KES": 2,
    "UGX": 0,
    "TZS": 2,
    "RWF": 0,
    "NGN": 2,
    "GHS": 2,
    "ZAR": 2,
    "ETB": 2,
    "USD": 2,
    "EUR": 2,
    "GBP": 2,
}
# What creators are paid in, and fees on Solana; decimals of the mint account and of the lamport.
CRYPTO: Mapping[str, int] = {"USDC": 6, "SOL": 9}
CURRENCIES: Mapping[str, int] = {**FIAT, **CRYPTO}
# A country token is not listed: each country of the profile has one, and the contract fixes its decimals.
TOKEN_DECIMALS = 18
_COUNTRY_TOKEN = re.compile(r"[A-Z]{3}\.token", re.ASCII)


def token_currency(country: str) -> str:
    """Return the currency code of a country's token: `KES` -> `KES.token`."""
    return f"{country}.token"


def scale_of(code: str) -> int:
    """Return the decimals of the smallest unit of a listed currency or country token; BadInput for another."""
    if code in CURRENCIES:
        return CURRENCIES[code]
    if _COUNTRY_TOKEN.fullmatch(code):
        return TOKEN_DECIMALS
    raise unknown_currency(code)


def unknown_currency(code: str) -> BadInput:
    """Return the refusal of a currency that is not in the table."""
    return BadInput("unknown_currency", f"currency {code[:8]!r} is not supported")
