"""Cleared purchases that their chain cannot mint now: they are not due, cost nothing, and are woken, the longest paid
first, once their chain can pay for them. And why a purchase waits, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import connection, transaction

from fiatrails.chains.core.holds import COUNTRY, ChainHold, reason_of
from fiatrails.chains.registry import chains
from fiatrails.engine.wakeup import notify
from fiatrails.purchases.models import Delivery, Purchase
from fiatrails.purchases.states import State

WAKE_AT_ONCE = 500

_WAITED_FOR = "SELECT DISTINCT waits_for FROM purchases_purchase WHERE waits_for <> '' ORDER BY waits_for"
# What one purchase needs of the asset, the longest paid first.
_WAITING = """
SELECT p.id, sum(d.amount) FROM purchases_purchase p
JOIN purchases_delivery d
    ON d.purchase_id = p.id AND d.state = 'waiting' AND d.chain = %(chain)s AND d.asset = %(asset)s
WHERE p.waits_for = %(key)s AND p.state = 'cleared'
GROUP BY p.id HAVING sum(d.amount) <= %(payable)s ORDER BY p.paid_at, p.id LIMIT %(limit)s
"""
_WAKE = """
UPDATE purchases_purchase SET due_at = least(paid_at, %s), waits_for = '', waits_since = NULL, last_error = '',
    fence = fence + 1
WHERE id = ANY(ARRAY(SELECT id FROM purchases_purchase WHERE id = ANY(%s) AND waits_for = %s AND state = 'cleared'
    ORDER BY id FOR UPDATE SKIP LOCKED))
"""
_GROUPS = """
SELECT waits_for, count(*), min(waits_since), (array_agg(last_error ORDER BY paid_at, id))[1]
FROM purchases_purchase WHERE waits_for <> '' GROUP BY waits_for ORDER BY waits_for
"""
_MUCH = 10**60


def key_of(delivery: Delivery) -> str:
    """Return what a purchase waits for that cannot have this delivery yet."""
    return f"{delivery.chain} {delivery.asset}"


def wake_payable(*, now: datetime) -> int:
    """Make due what its chain can pay for by now; return how many purchases."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITED_FOR)
        keys = {row[0] for row in cursor.fetchall()}
    if not keys:
        return 0
    return sum(
        _wake(chain.name, asset, units, now)
        for chain in chains()
        for asset, units in _payable(chain.payable(now=now), chain.name, keys).items()
    )


def _payable(known: Mapping[str, int], chain: str, keys: Collection[str]) -> dict[str, int]:
    """Return the assets that are waited for; one of which nothing is known is tried."""
    wanted = {key.partition(" ")[2] for key in keys if key.partition(" ")[0] == chain}
    return {asset: units for asset in sorted(wanted) if (units := known.get(asset, _MUCH)) > 0}


def _wake(chain: str, asset: str, payable: int, now: datetime) -> int:
    """Wake the longest paid that can be paid for together, passing over those that cannot."""
    key = f"{chain} {asset}"
    values: dict[str, str | int] = {
        "chain": chain,
        "asset": asset,
        "key": key,
        "payable": payable,
        "limit": WAKE_AT_ONCE,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_WAITING, values)
        chosen: list[int] = []
        for number, amount in cursor.fetchall():
            if amount <= payable:
                chosen.append(number)
                payable -= int(amount)
        if not chosen:
            return 0
        cursor.execute(_WAKE, [now, chosen, key])
        notify()
    return len(chosen)


def holds(*, now: datetime) -> list[ChainHold]:
    """Return all that holds mints back: lanes, contracts, and coins that purchases wait for. Reads rows alone."""
    found = [hold for chain in chains() for hold in chain.holds(now=now)]
    known = {(hold.chain, hold.address, hold.reason) for hold in found}
    waiting = [hold for hold in _waited_for() if (hold.chain, hold.address, hold.reason) not in known]
    return [*found, *waiting]


def _waited_for() -> list[ChainHold]:
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS)
        rows = cursor.fetchall()
    return [
        ChainHold(
            chain=key.partition(" ")[0],
            address=key.partition(" ")[2],
            role=COUNTRY,
            reason=reason_of(why),
            detail=f"{why} ({count} {'intent waits' if count == 1 else 'intents wait'})",
            since=since,
        )
        for key, count, since, why in rows
    ]


def reasons(purchase: Purchase, *, now: datetime) -> list[ChainHold]:
    """Return what holds this purchase back at the moment; empty when nothing does, or it waits for no chain."""
    if purchase.waits_for:
        chain, _, asset = purchase.waits_for.partition(" ")
        since = purchase.waits_since or now
        return [ChainHold(chain, asset, COUNTRY, reason_of(purchase.last_error), purchase.last_error, since)]
    if purchase.state in (State.SUBMITTING, State.MINED):
        references = [part.reference for part in purchase.parts]
        return [hold for chain in chains() for hold in chain.holds_of(references, now=now)]
    if purchase.state == State.CLEARED:
        full = [chain for chain in chains() if chain.holds(now=now) and not chain.room(now=now)]
        return [hold for chain in full for hold in chain.holds(now=now) if hold.role != COUNTRY]
    return []
