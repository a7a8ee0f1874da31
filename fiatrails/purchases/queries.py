"""What is read about intents. API, console and command line list, find and follow them through these."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from fiatrails.kernel.addresses import parse_word
from fiatrails.kernel.errors import NotFound
from fiatrails.purchases.deliveries import load
from fiatrails.purchases.intents import get_intent
from fiatrails.purchases.models import Delivery, Intent, Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentFilter:
    """Which intents are listed; what is left out does not narrow. `since` counts, `after` and `before` do not."""

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


def list_intents(wanted: IntentFilter, *, limit: int) -> list[Intent]:
    """Return the intents that match, newest first, at most `limit`."""
    found = list(Intent.objects.filter(**wanted.conditions()).order_by("-id")[:limit])
    load(found)
    return found


def find_intent(reference: str) -> Intent:
    """Return the intent with this id or this txRef; NotFound when there is neither."""
    intent = Intent.objects.filter(tx_ref=reference).first()
    if intent is not None:
        return intent
    if not reference.startswith("0x"):
        raise NotFound(
            "intent_not_found", f"no intent with txRef {reference[:128]!r}; `fiatrails intent list` shows them"
        )
    return get_intent(intent_id=parse_word(reference, field="intent id"))


def timeline(intent_id: str) -> list[Transition]:
    """Return every step of an intent, oldest first."""
    return list(Transition.objects.filter(intent_id=intent_id).order_by("id"))


def paid_by_currency(intent_ids: Collection[str]) -> dict[str, int]:
    """Return the minor units that were paid for these intents, by currency."""
    rows = Intent.objects.filter(intent_id__in=intent_ids).values("fiat_currency").annotate(paid=Sum("fiat_paid"))
    return {row["fiat_currency"]: row["paid"] or 0 for row in rows.order_by("fiat_currency")}
