"""What a provider asks of the layer that owns the purchases, which stands above it.

The worker and the API hand an object of this protocol to the provider's functions. Whoever counts a payment takes its
locks in the order: purchase, payments by id, requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from fiatrails.kernel.money import Money
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.inbox import Stored
from fiatrails.providers.core.models import Payment


class Payable(Protocol):
    """A purchase, as far as a provider needs to know it."""

    @property
    def tx_ref(self) -> str:
        """Return the payment reference that the payer was given."""

    @property
    def missing(self) -> Money | None:
        """Return what is still to be paid; None when the purchase takes no payment any more."""


class Purchases(Protocol):
    """Whose a payment is, and that it is counted."""

    def find(self, tx_ref: str) -> Payable | None:
        """Return the purchase with this reference, or None."""

    def lock(self, tx_ref: str) -> Payable | None:
        """Lock the purchase with this reference until the transaction ends; without one, lock the reference by name,
        so that none is made meanwhile."""

    def record(self, events: Sequence[PaymentEvent], *, now: datetime) -> list[Stored]:
        """Store payment events and act on those that are new and signed; one answer each, in order."""

    def count(self, event: Payment, payable: Payable | None, money: Money, *, now: datetime) -> None:
        """Count the locked event as `money` for the locked purchase, or to suspense, and write it."""

    def name_payer(self, name: str, event: Payment, *, now: datetime) -> None:
        """Keep the name of who made a payment that is counted already."""
