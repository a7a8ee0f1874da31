"""Tables of the chains, found here by Django."""

from fiatrails.chains.evm.models import (
    Attempt,
    Block,
    Broadcast,
    Inclusion,
    Lane,
    NonceSlot,
    SlotIntent,
)

__all__ = ["Attempt", "Block", "Broadcast", "Inclusion", "Lane", "NonceSlot", "SlotIntent"]
