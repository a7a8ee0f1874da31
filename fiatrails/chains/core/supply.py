"""How the supply of an asset changed without an order of ours, and what stands behind it, for any chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class SupplyKind(StrEnum):
    """REDEEMED: given back for what stood behind it. BURNED: destroyed by its holder, and what stood behind it stays.
    MINTED: for a deposit that somebody made on the chain himself, under a reference that no order of ours has."""

    REDEEMED = "redeemed"
    BURNED = "burned"
    MINTED = "minted"


@dataclass(frozen=True, slots=True)
class SupplyChange:
    """`amount` base units of `asset` less, or (MINTED) more, at a final place. `key` names it on its chain for ever;
    `account` held the tokens or got them; `reference` is that of a mint."""

    key: str
    kind: SupplyKind
    asset: str
    amount: int
    account: str
    transaction: str
    place: int
    reference: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Coin:
    """A token of the chain that the escrow of `asset` takes as backing, or once took."""

    asset: str
    address: str


@dataclass(frozen=True, slots=True)
class SupplyPage:
    """All changes up to and including the place `until`, and the coins that came into use. `complete`: nothing after
    it is final yet."""

    until: int
    complete: bool
    changes: Sequence[SupplyChange] = ()
    coins: Sequence[Coin] = ()


@dataclass(frozen=True, slots=True)
class CoinHolding:
    """What the escrow holds of one coin, and what it owes in it: backing, deposits that wait, and claims."""

    coin: str
    held: int
    owed: int


@dataclass(frozen=True, slots=True)
class Holdings:
    """The tokens of an asset in circulation and the backing behind them, as the chain itself keeps them at a place."""

    asset: str
    supply: int
    backing: int
    coins: tuple[CoinHolding, ...]
