"""A provider's message after its signature was checked and its fields were read; not yet stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from fiatrails.kernel.money import Money


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """A payment that a provider reports. `event_key` names the event at the provider; `receipt` the movement of
    money, when the form carries one. `trusted`: signed by the provider; otherwise the provider is asked before
    anything is credited. `paid` None: the provider reports that nobody paid. `payer_name`: who paid, as one line of at
    most 320 characters that PostgreSQL can keep; empty when the provider does not say, or hides it."""

    provider: str
    channel: str
    event_key: str
    receipt: str | None
    tx_ref: str
    paid: Money | None
    phone: str
    occurred_at: datetime | None
    raw: bytes
    trusted: bool
    payer_name: str = ""

    @property
    def digest(self) -> bytes:
        """SHA-256 over what the event *says* of the payment. Redeliveries that differ only in their own sending time (a
        signed gateway callback must carry a fresh one), or in how much of a name they hide, say the same."""
        money = f"{self.paid.currency}:{self.paid.minor}" if self.paid else "-"
        parts = (self.provider, self.event_key, self.receipt or "-", self.tx_ref, money, self.phone)
        return hashlib.sha256("\x1f".join(parts).encode()).digest()
