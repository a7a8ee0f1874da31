"""Money is an integer of minor units with its currency; decimals exist only at the edges."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from fiatrails.kernel.currencies import CURRENCIES, TOKEN_DECIMALS, scale_of, unknown_currency
from fiatrails.kernel.errors import BadInput

MAX_UINT256 = 2**256 - 1
MAX_MINOR = 10**15
TOKEN_AMOUNT = re.compile(r"[1-9][0-9]{0,77}", re.ASCII)
_DECIMAL = re.compile(r"(?P<whole>0|[1-9][0-9]{0,15})(?:\.(?P<fraction>[0-9]{1,18}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of `minor` units (cents for KES) of a listed `currency`; signs belong to the ledger, as do the country
    tokens, whose amounts are uint256."""

    currency: str
    minor: int

    def __post_init__(self) -> None:
        if self.currency not in CURRENCIES:
            raise unknown_currency(self.currency)
        if not 0 <= self.minor <= MAX_MINOR:
            raise BadInput("amount_out_of_range", f"amount must lie between 0 and {MAX_MINOR} minor units")

    def __str__(self) -> str:
        return f"{format_minor(self.minor, self.currency)} {self.currency}"


def parse_money(text: str, currency: str) -> Money:
    """Read an amount in whole units: `"10.50"`, KES -> Money(KES, 1050). Plain decimals only; more decimals than the
    currency has are refused unless they are zeros, so that nothing is ever rounded."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise BadInput("malformed_amount", "amount must be a plain decimal such as 1500 or 1500.00")
    scale = scale_of(currency)
    fraction = match["fraction"] or ""
    if fraction[scale:].strip("0"):
        raise BadInput("amount_too_precise", f"{currency} has {scale} decimals; the amount has more")
    return Money(currency, int(match["whole"] + fraction[:scale].ljust(scale, "0")))


def format_minor(minor: int, currency: str) -> str:
    """Write minor units as whole units: 1050, KES -> "10.50"."""
    scale = scale_of(currency)
    sign, digits = ("-", str(-minor)) if minor < 0 else ("", str(minor))
    if scale == 0:
        return sign + digits
    digits = digits.rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def parse_token_amount(text: str) -> int:
    """Read a decimal string of base units (18 decimals): an int in 1..2**256-1."""
    if not isinstance(text, str) or not TOKEN_AMOUNT.fullmatch(text):
        raise BadInput("malformed_amount", "amount must be a positive decimal string of token base units (18 decimals)")
    value = int(text)
    if value > MAX_UINT256:
        raise BadInput("amount_out_of_range", "amount is larger than 2**256 - 1")
    return value


def price_at(amount: int, rate: Decimal, currency: str) -> Money:
    """Return the price of `amount` base units at `rate` minor units per token, rounded up to a whole minor unit."""
    numerator, denominator = rate.as_integer_ratio()
    return Money(currency, -(-amount * numerator // (denominator * 10**TOKEN_DECIMALS)))


def token_price(amount: int, currency: str) -> Money:
    """Return the price of `amount` base units at one token per unit of currency; refused when it is not a whole minor
    unit."""
    unit = 10 ** (TOKEN_DECIMALS - scale_of(currency))
    minor, rest = divmod(amount, unit)
    if rest or minor == 0:
        raise BadInput(
            "amount_not_payable",
            f"amount must be a multiple of {unit} base units (the smallest unit of {currency}), "
            "or fiatAmount must say what is paid",
        )
    return Money(currency, minor)
