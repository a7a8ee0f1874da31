"""What is read about purchases. API, console and command line list, find and follow them through these."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from fiatrails.kernel.addresses import parse_word
from fiatrails.kernel.errors import NotFound
from fiatrails.purchases.deliveries import load
from fiatrails.purchases.models import Delivery, Purchase, Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseFilter:
    """Which purchases are listed; what is left out does not narrow. `since` counts, `after` and `before` do not."""

    states: Collection[str] = ()
    client: str | None = None
    user: str | None = None
    tx_ref: str | None = None
    since: datetime | None = None
    after: datetime | None = None
    before: datetime | None = None
    below_id: int | None = None

    def conditions(self) -> dict[str, object]:
        """Return the filter as look-ups of the model."""
        wanted = {
            "state__in": self.states or None,
            "client": self.client,
            "pk__in": self.user and Delivery.objects.filter(recipient=self.user).values("purchase_id"),
            "tx_ref": self.tx_ref,
            "created_at__gte": self.since,
            "created_at__gt": self.after,
            "created_at__lt": self.before,
            "id__lt": self.below_id,
        }
        return {name: value for name, value in wanted.items() if value is not None}


def list_purchases(wanted: PurchaseFilter, *, limit: int) -> list[Purchase]:
    """Return the purchases that match, newest first, at most `limit`."""
    found = list(Purchase.objects.filter(**wanted.conditions()).order_by("-id")[:limit])
    load(found)
    return found


def get_purchase(*, intent_id: str, client: str | None = None) -> Purchase:
    """Return the purchase; NotFound also when it is another client's (`client` None: an operator, sees all)."""
    purchase = Purchase.objects.filter(intent_id=intent_id).first()
    if purchase is None or (client is not None and purchase.client != client):
        raise NotFound("intent_not_found", "no such intent")
    return purchase


def find_purchase(reference: str) -> Purchase:
    """Return the purchase with this id or this txRef; NotFound when there is neither."""
    purchase = Purchase.objects.filter(tx_ref=reference).first()
    if purchase is not None:
        return purchase
    if not reference.startswith("0x"):
        raise NotFound(
            "intent_not_found", f"no intent with txRef {reference[:128]!r}; `fiatrails intent list` shows them"
        )
    return get_purchase(intent_id=parse_word(reference, field="intent id"))


def timeline(intent_id: str) -> list[Transition]:
    """Return every step of a purchase, oldest first."""
    return list(Transition.objects.filter(intent_id=intent_id).order_by("id"))


def paid_by_currency(intent_ids: Collection[str]) -> dict[str, int]:
    """Return the minor units that were paid for these purchases, by currency."""
    rows = Purchase.objects.filter(intent_id__in=intent_ids).values("fiat_currency").annotate(paid=Sum("fiat_paid"))
    return {row["fiat_currency"]: row["paid"] or 0 for row in rows.order_by("fiat_currency")}
