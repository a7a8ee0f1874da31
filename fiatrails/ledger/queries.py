"""What is read about single entries; balances and the equation are in `balances`."""

from __future__ import annotations

from fiatrails.ledger.models import Entry


def entry_keys(reference: str) -> list[str]:
    """Return the keys of the entries about one thing, e.g. an intent id, in order."""
    return list(Entry.objects.filter(reference=reference).order_by("id").values_list("key", flat=True))
