"""Read and write amounts as M-PESA does."""

from decimal import Decimal
from typing import Any


def shillings(cents: int) -> str:
    """Write an amount with two decimals: "5.00"."""
    return f"{cents // 100}.{cents % 100:02d}"


def cents_of(amount: Any) -> int | None:
    """Read an amount in shillings and return it in cents, or None when it is not a payable one."""
    if isinstance(amount, bool) or not isinstance(amount, str | int | float):
        return None
    try:
        cents = Decimal(str(amount)) * 100
    except ArithmeticError:
        return None
    payable = cents.is_finite() and cents > 0 and cents == int(cents)
    return int(cents) if payable else None
