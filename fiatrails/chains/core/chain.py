"""What purchases ask of a chain, in values that hold for any chain.

Addresses, references and transactions are text in the chain's own canonical form; their case is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from fiatrails.chains.core.clearance import Clearance
from fiatrails.chains.core.holds import ChainHold
from fiatrails.chains.core.supply import Coin, Holdings, SupplyPage

if TYPE_CHECKING:
    from fiatrails.chains.core.pool import RpcPool


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an order will go: canonical `recipient`, `asset`, and the `reference` under which the chain settles it."""

    chain: str
    recipient: str
    asset: str
    reference: str


@dataclass(frozen=True, slots=True)
class Order:
    """Issue `amount` base units of `asset` to `recipient`. `tx_ref` is the text that `reference` was made from.
    `alone`: settle in a transaction of its own (after a batch was rejected)."""

    reference: str
    recipient: str
    asset: str
    amount: int
    tx_ref: str
    clearance: Clearance
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """What became of orders: `accepted` references in order, and for each that cannot be paid for (`unpaid`) a text
    `code: sentence` with the figures and what to do. The others found no room."""

    accepted: list[str] = field(default_factory=list)
    unpaid: dict[str, str] = field(default_factory=dict)


class OutcomeKind(StrEnum):
    """MINED may still be undone (UNMINED); EXECUTED and RELEASED are final.

    RELEASED: the order was not executed and never will be, so a new order with the same reference cannot settle twice.
    """

    MINED = "mined"
    UNMINED = "unmined"
    EXECUTED = "executed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One change that the chain made to an order. `place` is the number of the block or slot; `code` says why an order
    was skipped, in snake case."""

    reference: str
    kind: OutcomeKind
    transaction: str | None
    place: int | None
    code: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """A mint that the chain itself shows: `amount` base units of `asset` to `recipient`. `outside`: for a deposit that
    somebody made on the chain, under a reference that no order of ours can have."""

    reference: str
    recipient: str
    asset: str
    amount: int
    transaction: str
    place: int
    outside: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """Every settlement up to and including the place `until`."""

    until: int
    settlements: tuple[Settlement, ...]


@dataclass(frozen=True, slots=True)
class FeedAnswer:
    """What a price feed said in round `round_id`: `value` with `decimals`, at `updated_at` (Unix seconds; 0: never)."""

    round_id: int
    value: int
    decimals: int
    updated_at: int


class Chain(Protocol):
    """One chain that orders are settled on."""

    @property
    def name(self) -> str:
        """Return the family and the number or network, as `family:network`."""

    def prepare(self, *, recipient: str, asset: str, tx_ref: str) -> Destination:
        """Validate recipient and asset and compute the reference, when a purchase is made.

        Raises BadInput for a recipient that is no address, Misconfigured when the asset is not deployed here.
        """

    def reserve(self, orders: Sequence[Order], *, now: datetime, clearance_key: bytes) -> Reservation:
        """Take as many cleared orders as there is room and money for, the first ones first.

        Runs inside the caller's transaction. A reference that is taken already counts as accepted. Forbidden when a
        clearance is forged, expired or of another order: then nothing was taken.
        """

    def room(self, *, now: datetime) -> int:
        """Return how many orders could be taken now, at most; 0 while all is full or held."""

    def payable(self, *, now: datetime) -> Mapping[str, int]:
        """Return the base units of each asset that can be paid for now; an asset that is left out is not known to be
        short."""

    def holds(self, *, now: datetime) -> list[ChainHold]:
        """Return what does not go out at the moment, and why."""

    def holds_of(self, references: Sequence[str], *, now: datetime) -> list[ChainHold]:
        """Return what holds back these orders, which were taken."""

    def collect(self, limit: int, *, now: datetime) -> list[Outcome]:
        """Return up to `limit` outcomes that were not told yet, at most one per reference, and mark them as told.

        Runs inside the caller's transaction: when that rolls back, nothing counts as told.
        """

    def is_live(self, references: Sequence[str]) -> set[str]:
        """Return those of `references` that are executed, or not yet known never to be."""

    def history(self, *, pool: RpcPool) -> History:
        """Read every settlement from the chain itself; OutsideUnknown when it does not answer."""

    def read_feed(self, address: str, *, pool: RpcPool) -> FeedAnswer:
        """Read the price feed at `address`; OutsideUnknown when it does not answer."""

    def supply_changes(self, after: int, *, pool: RpcPool) -> SupplyPage:
        """Read the changes of the supply at the final places after `after` (-1: from the start), as far as one call
        should go; OutsideUnknown when the chain does not answer completely."""

    def holdings(self, coins: Collection[Coin], *, place: int, pool: RpcPool) -> list[Holdings]:
        """Read what was there of each deployed asset at a final place; `coins` are those that were ever in use.
        OutsideUnknown when the chain does not answer, or has forgotten the place."""

    def settled(self, references: Mapping[str, str], *, place: int, pool: RpcPool) -> dict[str, int]:
        """Return the base units of those references (each with its asset) that were executed by a final place;
        OutsideUnknown as `holdings`."""
