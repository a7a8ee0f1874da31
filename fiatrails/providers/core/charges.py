"""What it takes to ask a payer for money, whatever the provider."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from fiatrails.kernel.money import Money
from fiatrails.providers.core.models import ProviderRequest


class Charger(Protocol):
    """One payer at one provider, to be asked for the price of a purchase."""

    @property
    def provider(self) -> str:
        """Return the provider's name."""

    def require_possible(self, money: Money) -> None:
        """Raise Unprocessable when the provider cannot collect this amount."""

    def open(self, *, intent_id: str, tx_ref: str, money: Money, number: int, now: datetime) -> ProviderRequest:
        """Insert the request, number `number` of its intent; a worker sends it."""

    def asked(self, number: int) -> str:
        """Return the line of the intent's timeline that tells of the request."""


def ended(request: ProviderRequest, *, paid: bool) -> str:
    """Return the line of the intent's timeline that tells how a request ended."""
    number, result = request.details["number"], request.result
    if paid:
        return f"push {number} was paid"
    return f"push {number} ended unpaid: {result.get('code', '')} {result.get('description', '')}".strip()
