"""Who paid, as providers tell it: kept for the wallet in the transaction that applies the payment, so that clearing
screens them beside whoever the client named."""

from __future__ import annotations

from datetime import datetime

import structlog

from fiatrails.compliance.sanctions import payers
from fiatrails.compliance.sanctions.payers import Identity
from fiatrails.kernel.errors import BadInput
from fiatrails.purchases.models import Purchase
from fiatrails.screening.entities import EntityType

log = structlog.get_logger(__name__)


def keep(name: str, *, provider: str, purchase: Purchase, now: datetime) -> None:
    """Add the name to those behind the wallets of the purchase, unless it is empty or known. One that cannot be kept is
    left out with a line in the log, and stops no money.

    Mobile money is a person's: a first name alone would otherwise be compared with every company and ship.
    """
    if not name:
        return
    try:
        for user in sorted({delivery.recipient for delivery in purchase.parts}):
            payers.record(Identity(name, EntityType.PERSON), user=user, actor=provider, now=now)
    except BadInput as refusal:
        log.warning("payer_name.left_out", provider=provider, code=refusal.code)


def keep_for_purchase(name: str, *, provider: str, intent_id: str | None, now: datetime) -> None:
    """Do the same for a payment that was counted before, when a later report of it brings the name."""
    purchase = Purchase.objects.filter(intent_id=intent_id).first() if name else None
    if purchase is not None:
        keep(name, provider=provider, purchase=purchase, now=now)
