"""What recipients may be minted on a UTC day: taken by purchases, and given back by those that end without a mint.

A purchase knows the day that it takes from, so nothing is given back twice, and one that comes to life again after it
had ended takes again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from django.db import connection
from django.db.models import F

from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import Unprocessable
from fiatrails.purchases.deliveries import load
from fiatrails.purchases.models import DailyUsage, Delivery, Purchase


def take(purchase: Purchase, *, now: datetime) -> None:
    """Take the purchase from today's limit of each recipient, in memory and rows, unless it takes from a day already.

    Runs in the caller's transaction, which also saves the purchase. Unprocessable when a limit does not suffice.
    """
    if purchase.limit_day is not None:
        return
    purchase.limit_day = now.astimezone(UTC).date()
    for delivery in purchase.parts:
        _take(delivery, purchase.limit_day.isoformat())


def take_again(purchase: Purchase, *, now: datetime) -> None:
    """Take a stored, locked purchase from today's limit, when it had given back what it took."""
    if purchase.limit_day is None:
        take(purchase, now=now)
        Purchase.objects.filter(pk=purchase.pk).update(limit_day=purchase.limit_day)


def give_back(purchases: Sequence[Purchase]) -> None:
    """Give back what locked purchases took, each once; they ended without a mint."""
    taken = [(purchase, day) for purchase in purchases if (day := purchase.limit_day) is not None]
    load([purchase for purchase, _ in taken])
    for purchase, day in taken:
        for delivery in purchase.parts:
            DailyUsage.objects.filter(user=delivery.recipient, day=day).update(total=F("total") - delivery.amount)
        purchase.limit_day = None
    Purchase.objects.filter(pk__in=[purchase.pk for purchase, _ in taken]).update(limit_day=None)


def _take(delivery: Delivery, day: str) -> None:
    """Take one delivery. One conditional upsert: two requests at once cannot both take the last of the allowance."""
    limit = config().profile.limits.daily_mint
    with connection.cursor() as cursor:
        cursor.execute(
            'INSERT INTO purchases_daily_usage AS u ("user", day, total) VALUES (%s, %s, %s)'
            ' ON CONFLICT ("user", day) DO UPDATE SET total = u.total + EXCLUDED.total'
            " WHERE u.total + EXCLUDED.total <= %s RETURNING total",
            [delivery.recipient, day, delivery.amount, Decimal(limit)],
        )
        if cursor.fetchone() is None:
            raise Unprocessable("daily_limit", f"amount exceeds the user's daily limit of {limit} base units")
