"""M-PESA, as the worker and the operators ask it."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from fiatrails.kernel.clock import Clock, SystemClock
from fiatrails.kernel.conf import config
from fiatrails.providers.core.provider import Provider
from fiatrails.providers.core.purchases import Purchases
from fiatrails.providers.mpesa.config import mpesa_config
from fiatrails.providers.mpesa.confirmations import confirm_due, retry_event
from fiatrails.providers.mpesa.daraja import Daraja
from fiatrails.providers.mpesa.gateway import PROVIDER
from fiatrails.providers.mpesa.requests import drive_due, retry_request
from fiatrails.providers.mpesa.tools import Tools


@lru_cache(maxsize=1)
def daraja() -> Daraja | None:
    """Return the process's client, or None when the deployment has no Daraja credentials."""
    return Daraja(config(), clock=SystemClock()) if mpesa_config().base_url else None


class Mpesa(Provider):
    """The signed gateway form needs nothing of this; native events and requests do."""

    name = PROVIDER

    def work(self, *, clock: Clock, purchases: Purchases) -> int:
        """Confirm untrusted events and drive requests. Without Daraja there is nobody to ask, and rows that need an
        answer wait."""
        client = daraja()
        if client is None:
            return 0
        tools = Tools(clock=clock, client=client, purchases=purchases)
        return confirm_due(tools=tools) + drive_due(tools=tools)

    def confirm_again(self, *, event_id: int, now: datetime) -> None:
        """Ask about a stored event anew."""
        retry_event(event_id=event_id, now=now)

    def retry_request(self, *, request_id: int, now: datetime) -> None:
        """Set a push, a status query or a reversal going again."""
        retry_request(request_id=request_id, now=now)
