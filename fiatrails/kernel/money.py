"""Money is an integer of minor units with its currency; decimals exist only at the edges."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fiatrails.kernel.errors import BadInput

TOKEN_DECIMALS = 18
MAX_UINT256 = 2**256 - 1
# ISO 4217 exponents of the currencies that this rail may be configured with.
EXPONENTS = {
    "KES": 2, "UGX": 0, "TZS": 2, "RWF": 0, "NGN": 2, "GHS": 2, "ZAR": 2, "ETB": 2, "USD": 2, "EUR": 2, "GBP": 2,
}  # fmt: skip
MAX_MINOR = 10**15
TOKEN_AMOUNT = re.compile(r"[1-9][0-9]{0,77}", re.ASCII)
_DECIMAL = re.compile(r"(?P<whole>0|[1-9][0-9]{0,15})(?:\.(?P<fraction>[0-9]{1,18}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units (cents for KES) of `currency` (ISO 4217); never negative here, signs belong to the ledger."""

    currency: str
    minor: int

    def __post_init__(self) -> None:
        exponent_of(self.currency)
        if not 0 <= self.minor <= MAX_MINOR:
            raise BadInput("amount_out_of_range", f"amount must lie between 0 and {MAX_MINOR} minor units")

    def __str__(self) -> str:
        return f"{format_minor(self.minor, self.currency)} {self.currency}"


def exponent_of(currency: str) -> int:
    """Number of decimals of the currency's minor unit; BadInput for an unknown currency."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise BadInput("unknown_currency", f"currency {currency[:8]!r} is not supported") from None


def parse_money(text: str, currency: str) -> Money:
    """`"10.50"`, KES -> Money(KES, 1050). Plain decimals only; more decimals than the currency has are refused
    unless they are zeros, so that nothing is ever rounded."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise BadInput("malformed_amount", "amount must be a plain decimal such as 1500 or 1500.00")
    exponent = exponent_of(currency)
    fraction = match["fraction"] or ""
    if fraction[exponent:].strip("0"):
        raise BadInput("amount_too_precise", f"{currency} has {exponent} decimals; the amount has more")
    return Money(currency, int(match["whole"] + fraction[:exponent].ljust(exponent, "0")))


def format_minor(minor: int, currency: str) -> str:
    """1050, KES -> "10.50"."""
    exponent = exponent_of(currency)
    sign, digits = ("-", str(-minor)) if minor < 0 else ("", str(minor))
    if exponent == 0:
        return sign + digits
    digits = digits.rjust(exponent + 1, "0")
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"


def parse_token_amount(text: str) -> int:
    """Decimal string of base units (18 decimals) -> int in 1..2**256-1."""
    if not isinstance(text, str) or not TOKEN_AMOUNT.fullmatch(text):
        raise BadInput("malformed_amount", "amount must be a positive decimal string of token base units (18 decimals)")
    value = int(text)
    if value > MAX_UINT256:
        raise BadInput("amount_out_of_range", "amount is larger than 2**256 - 1")
    return value


def token_price(amount: int, currency: str) -> Money:
    """Price of `amount` base units at one token per unit of currency; refused when it is not a whole minor unit."""
    unit = 10 ** (TOKEN_DECIMALS - exponent_of(currency))
    minor, rest = divmod(amount, unit)
    if rest or minor == 0:
        raise BadInput(
            "amount_not_payable",
            f"amount must be a multiple of {unit} base units (the smallest unit of {currency}), "
            "or fiatAmount must say what is paid",
        )
    return Money(currency, minor)
