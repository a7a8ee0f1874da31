"""Whether the tokens in circulation, and what stands behind them, are what the books say: compared at one place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q, Sum

from fiatrails.chains.core.chain import Chain
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.supply import Coin, CoinHolding
from fiatrails.chains.registry import chains
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.ledger.accounts import EntryKind, country_of
from fiatrails.ledger.balances import balances_of, credited_by_kind
from fiatrails.operations.invariants.checks import Violation
from fiatrails.purchases.models import Delivery, SupplyCursor
from fiatrails.purchases.states import TERMINAL, DeliveryState, State
from fiatrails.purchases.supply import known_coins, place_of, read_all


@dataclass(frozen=True, slots=True)
class Figures:
    """One amount in base units, twice: as the chain keeps it, and as the books make it."""

    chain: int
    books: int

    @property
    def agree(self) -> bool:
        """Whether they are the same."""
        return self.chain == self.books

    def __str__(self) -> str:
        return f"chain {self.chain}, ledger {self.books}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """An asset at a final place of its chain. `coins`: what its escrow holds and owes there."""

    asset: str
    place: int
    supply: Figures
    backing: Figures
    coins: tuple[CoinHolding, ...]

    @property
    def differences(self) -> dict[str, str]:
        """Return each sentence that does not hold, with both figures; empty when all do."""
        found = {}
        if not self.supply.agree:
            found["tokens in circulation = ledger"] = f"{self.asset}: {self.supply} at {self.place}"
        if not self.backing.agree:
            found["backing of the tokens = ledger"] = f"{self.asset}: {self.backing} at {self.place}"
        short = [f"holds {coin.held} of {coin.coin}, owes {coin.owed}" for coin in self.coins if coin.held < coin.owed]
        if short:
            found["the escrow holds what it owes"] = f"{self.asset}: {'; '.join(short)} at {self.place}"
        return found


@dataclass(frozen=True, slots=True)
class BookedSupply:
    """What the ledger says of an asset, in base units. `circulating` is what was minted for payments and deposits, less
    what was redeemed and burnt."""

    asset: str
    circulating: int = 0
    redeemed: int = 0
    burned: int = 0
    outside: int = 0
    backing: int = 0


@dataclass(frozen=True, slots=True)
class SupplyReport:
    """`read_to`: the place up to which each chain was read. A comparison is None where the chain does not answer."""

    read_to: Mapping[str, int]
    assets: Sequence[tuple[BookedSupply, Comparison | None]]


@dataclass(frozen=True, slots=True)
class _Books:
    """The rows at one instant. `beyond`: base units per asset that the books have and the chain not before a later
    place. `in_flight`: references, with their assets, that the chain may have executed and the books not."""

    place: int
    coins: set[Coin]
    beyond: Mapping[str, int]
    in_flight: Mapping[str, str]
    supply: Mapping[str, int]
    backing: Mapping[str, int]


def check_supply(*, pool: RpcPool, clock: Clock) -> list[Violation]:
    """Read the supply up to now, and name every asset whose supply, backing or coins are not what the books say.
    OutsideUnknown when a chain does not answer."""
    found: dict[str, list[str]] = defaultdict(list)
    for chain in chains():
        read_all(chain, pool=pool, clock=clock)
        for comparison in compare(chain, pool=pool):
            for sentence, figures in comparison.differences.items():
                found[sentence].append(figures)
    return [Violation(sentence, tuple(figures)) for sentence, figures in found.items()]


def supply_report(*, pool: RpcPool) -> SupplyReport:
    """Return what the ledger says of every asset, and what the chains say where they answer."""
    compared: dict[str, Comparison] = {}
    for chain in chains():
        with suppress(OutsideUnknown):
            compared |= {each.asset: each for each in compare(chain, pool=pool)}
    booked = {each.asset: each for each in booked_supply()}
    assets = [
        (booked.get(asset, BookedSupply(asset)), compared.get(asset))
        for asset in sorted(booked.keys() | compared.keys())
    ]
    return SupplyReport({chain.name: place_of(chain.name) for chain in chains()}, assets)


def booked_supply() -> list[BookedSupply]:
    """Return what the ledger says of every asset that it knows, in order."""
    backing = {country_of(code): amount for code, amount in balances_of("token_issued").items()}
    return [
        BookedSupply(
            asset=country_of(code),
            circulating=sum(kinds.values()),
            redeemed=-kinds.get(EntryKind.REDEMPTION, 0),
            burned=-kinds.get(EntryKind.BURN, 0),
            outside=kinds.get(EntryKind.OUTSIDE_MINT, 0),
            backing=backing.get(country_of(code), 0),
        )
        for code, kinds in sorted(credited_by_kind("token_supply").items())
    ]


def compare(chain: Chain, *, pool: RpcPool) -> list[Comparison]:
    """Compare every asset of the chain at the place that its supply was read up to; empty before the first reading.

    Rows are read at one instant and the chain at one final place, so that nothing under way makes a difference.
    OutsideUnknown when the chain does not answer, or has forgotten the place.
    """
    books = _read_books(chain.name)
    if books is None:
        return []
    settled = chain.settled(books.in_flight, place=books.place, pool=pool)
    ahead: dict[str, int] = defaultdict(int)
    for reference, amount in settled.items():
        ahead[books.in_flight[reference]] += amount
    found = []
    for held in chain.holdings(books.coins, place=books.place, pool=pool):
        under_way = ahead[held.asset] - books.beyond.get(held.asset, 0)
        supply = Figures(held.supply, books.supply.get(held.asset, 0) + under_way)
        backing = Figures(held.backing, books.backing.get(held.asset, 0) + under_way)
        found.append(Comparison(held.asset, books.place, supply, backing, held.coins))
    return found


def _read_books(chain: str) -> _Books | None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        read_to = SupplyCursor.objects.filter(chain=chain).first()
        if read_to is None:
            return None
        return _Books(
            place=read_to.place,
            coins=known_coins(read_to),
            beyond=_beyond(chain, read_to.place),
            in_flight=_in_flight(chain),
            supply={country_of(code): -amount for code, amount in balances_of("token_supply").items()},
            backing={country_of(code): amount for code, amount in balances_of("token_issued").items()},
        )


def _beyond(chain: str, place: int) -> dict[str, int]:
    """Return what is booked as minted, and is not yet there at the place."""
    later = Delivery.objects.filter(chain=chain, place__gt=place, purchase__state=State.EXECUTED.value)
    return {asset: int(amount) for asset, amount in later.values_list("asset").annotate(Sum("amount")).order_by()}


def _in_flight(chain: str) -> dict[str, str]:
    """Orders that a chain has, of purchases whose mint is not booked."""
    open_states = [state.value for state in State if state not in TERMINAL]
    ordered = ~Q(state=DeliveryState.WAITING.value)
    rows = Delivery.objects.filter(ordered, chain=chain, purchase__state__in=open_states)
    return dict(rows.values_list("reference", "asset"))
