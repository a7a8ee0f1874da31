"""Questions about orders that were handed to the chain."""

from __future__ import annotations

from collections.abc import Sequence

from fiatrails.chains.evm.models import SlotIntent
from fiatrails.chains.evm.submitter.states import IntentState


def live_intents(intent_ids: Sequence[str]) -> set[str]:
    """Return those of `intent_ids` that own a place in a nonce slot: minted, or not yet known never to be."""
    rows = SlotIntent.objects.filter(intent_id__in=intent_ids).exclude(state=IntentState.RELEASED.value)
    return set(rows.values_list("intent_id", flat=True))
