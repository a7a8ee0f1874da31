"""Tables of the chains, found here by Django."""

from fiatrails.chains.evm.models import (
    Attempt,
    Block,
    Broadcast,
    Funds,
    Inclusion,
    Lane,
    NonceSlot,
    SlotIntent,
)

__all__ = ["Attempt", "Block", "Broadcast", "Funds", "Inclusion", "Lane", "NonceSlot", "SlotIntent"]
