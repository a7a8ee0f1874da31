"""Amounts, phones and times as people type and read them. Money itself is `kernel.money`'s."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from fiatrails.kernel.clock import isoformat
from fiatrails.kernel.currencies import TOKEN_DECIMALS
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import format_minor, parse_token_amount

_TOKENS = re.compile(r"(?P<whole>0|[1-9][0-9]{0,59})(?:\.(?P<fraction>[0-9]{1,18}))?", re.ASCII)
# The customer of M-PESA's own sandbox, as Daraja's documentation has it.
SANDBOX_PHONE = "254708374149"
_SHOWN_HEAD, _SHOWN_TAIL = 4, 3


def parse_tokens(text: str) -> int:
    """Return base units for tokens as text: `"10.5"` -> 105 * 10**17; BadInput rather than rounding."""
    match = _TOKENS.fullmatch(text.strip())
    if match is None:
        raise BadInput("malformed_amount", "--amount takes tokens as a plain decimal such as 100 or 10.5")
    return parse_token_amount((match["whole"] + (match["fraction"] or "").ljust(TOKEN_DECIMALS, "0")).lstrip("0"))


def amount_of(*, tokens: str | None, base_units: str | None) -> int:
    """Return base units from exactly one of the two ways to say it; BadInput otherwise."""
    if (tokens is None) == (base_units is None):
        raise BadInput("amount_twice", "give either --amount (tokens) or --base-units, and one of them only")
    return parse_tokens(tokens) if tokens is not None else parse_token_amount(base_units or "")


def tokens(base_units: int | Decimal) -> str:
    """Return base units as tokens without needless zeros: 10500000000000000000 -> "10.5"."""
    value = int(base_units)
    sign, digits = ("-", str(-value)) if value < 0 else ("", str(value))
    digits = digits.rjust(TOKEN_DECIMALS + 1, "0")
    whole, fraction = digits[:-TOKEN_DECIMALS], digits[-TOKEN_DECIMALS:].rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def in_currency(amount: int, currency: str) -> str:
    """Return an amount of the ledger as text: `KES` in shillings, `KES.token` in tokens."""
    return tokens(amount) if currency.endswith(".token") else format_minor(amount, currency)


def money(minor: int, currency: str) -> str:
    """Return minor units with their currency: 1050, KES -> "10.50 KES"; nothing without a currency."""
    return f"{format_minor(minor, currency)} {currency}" if currency else ""


def when(moment: datetime | None) -> str | None:
    """Return a time as RFC 3339, or None."""
    return isoformat(moment) if moment is not None else None


def masked_phone(phone: str) -> str:
    """Mask a phone, 254712345678 -> 2547****678: whole numbers are for the provider, not for terminals and logs."""
    if len(phone) <= _SHOWN_HEAD + _SHOWN_TAIL:
        return "*" * len(phone)
    return f"{phone[:_SHOWN_HEAD]}****{phone[-_SHOWN_TAIL:]}"
