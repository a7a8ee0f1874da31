"""The deliveries of purchases: read for many purchases at once, ordered from their chains, and asked about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from fiatrails.chains.core.chain import Order, Reservation
from fiatrails.chains.core.clearance import Clearance
from fiatrails.chains.registry import chain_named
from fiatrails.purchases.models import Delivery, Purchase
from fiatrails.purchases.states import DeliveryState


def load(purchases: Sequence[Purchase]) -> None:
    """Read the deliveries of all these purchases with one statement."""
    found: dict[int, list[Delivery]] = defaultdict(list)
    keys = [purchase.pk for purchase in purchases]
    for delivery in Delivery.objects.filter(purchase__in=keys).order_by("purchase_id", "position"):
        found[delivery.purchase_id].append(delivery)
    for purchase in purchases:
        purchase.parts = found[purchase.pk]
        for delivery in purchase.parts:
            delivery.purchase = purchase


def waiting(purchase: Purchase) -> list[Delivery]:
    """Return the deliveries that no chain has an order for."""
    return [delivery for delivery in purchase.parts if delivery.state == DeliveryState.WAITING]


def reference_text(tx_ref: str, position: int) -> str:
    """Return the text that the reference of a purchase's delivery is made from: the first has the txRef itself."""
    # A line break occurs in no txRef, so that no client can name the delivery of another.
    return tx_ref if position == 0 else f"{tx_ref}\n{position}"


def reserve(
    deliveries: Sequence[Delivery], clearances: Mapping[str, Clearance], *, now: datetime, clearance_key: bytes
) -> Reservation:
    """Hand cleared deliveries to their chains, in the caller's transaction; return what became of each reference."""
    by_chain: dict[str, list[Order]] = defaultdict(list)
    for delivery in deliveries:
        by_chain[delivery.chain].append(_order(delivery, clearances[delivery.reference]))
    made = Reservation()
    for name, orders in sorted(by_chain.items()):
        one = chain_named(name).reserve(orders, now=now, clearance_key=clearance_key)
        made.accepted.extend(one.accepted)
        made.unpaid.update(one.unpaid)
    return made


def _order(delivery: Delivery, clearance: Clearance) -> Order:
    return Order(
        reference=delivery.reference,
        recipient=delivery.recipient,
        asset=delivery.asset,
        amount=int(delivery.amount),
        tx_ref=reference_text(delivery.purchase.tx_ref, delivery.position),
        clearance=clearance,
        alone=delivery.alone,
    )


def is_live(purchase: Purchase) -> bool:
    """Return whether a chain has executed any delivery, or may still do so: then no money goes back."""
    by_chain: dict[str, list[str]] = defaultdict(list)
    for delivery in purchase.parts:
        by_chain[delivery.chain].append(delivery.reference)
    return any(chain_named(name).is_live(references) for name, references in by_chain.items())
