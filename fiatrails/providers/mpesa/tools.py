"""What the steps of M-PESA's queues share."""

from __future__ import annotations

from dataclasses import dataclass

from fiatrails.kernel.clock import Clock
from fiatrails.providers.core.purchases import Purchases
from fiatrails.providers.mpesa.daraja import Daraja


@dataclass(frozen=True, slots=True)
class Tools:
    """What a step may use besides the database."""

    clock: Clock
    client: Daraja
    purchases: Purchases
