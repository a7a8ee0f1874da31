"""What a dead letter says about a purchase."""

from __future__ import annotations

from fiatrails.kernel.money import Money
from fiatrails.purchases.models import Purchase


def payload(purchase: Purchase) -> dict[str, object]:
    """Return what an operator decides by: the reference, the state, and how much money it is about."""
    expected, paid = (Money(purchase.fiat_currency, minor) for minor in (purchase.fiat_expected, purchase.fiat_paid))
    return {"txRef": purchase.tx_ref, "state": purchase.state, "expected": str(expected), "paid": str(paid)}
