"""What tokens, escrows and coins hold at one block: the figures that the books are compared with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from fiatrails.chains.core.pool import NOT_AGREED, RpcPool
from fiatrails.chains.core.rpc import MAX_BATCH, RpcError
from fiatrails.chains.core.supply import Coin, CoinHolding, Holdings
from fiatrails.chains.evm.contracts.contract import Read
from fiatrails.chains.evm.contracts.deployment import Deployment
from fiatrails.chains.evm.contracts.escrow import EXECUTED, Liabilities, MintEscrow
from fiatrails.chains.evm.contracts.stablecoin import Stablecoin
from fiatrails.chains.evm.contracts.token import CountryToken
from fiatrails.kernel.errors import OutsideUnknown

T = TypeVar("T")


def read(contracts: Deployment, coins: Collection[Coin], *, block: int, pool: RpcPool) -> list[Holdings]:
    """Return what there was of every country at the block, counted over `coins` and the coin of new deposits.
    OutsideUnknown when the answers are of no use."""
    countries = list(contracts.countries.values())
    supplies = _ask([CountryToken(country.token).total_supply() for country in countries], block, pool)
    current = _ask([MintEscrow(country.escrow).stablecoin() for country in countries], block, pool)
    known = {country: {coin.address for coin in coins if coin.asset == country.code} for country in countries}
    pairs = [(each, coin) for each, now in zip(countries, current, strict=True) for coin in sorted(known[each] | {now})]
    owed = _ask([MintEscrow(country.escrow).liabilities(coin) for country, coin in pairs], block, pool)
    held = _ask([Stablecoin(coin).balance_of(country.escrow) for country, coin in pairs], block, pool)
    found: dict[str, list[tuple[CoinHolding, Liabilities]]] = defaultdict(list)
    for (country, coin), holds, owes in zip(pairs, held, owed, strict=True):
        found[country.code].append((CoinHolding(coin, holds, owes.total), owes))
    return [
        Holdings(
            country.code,
            supply,
            backing=sum(owes.backing for _, owes in found[country.code]),
            coins=tuple(holding for holding, _ in found[country.code]),
        )
        for country, supply in zip(countries, supplies, strict=True)
    ]


def executed(contracts: Deployment, references: Mapping[str, str], *, block: int, pool: RpcPool) -> dict[str, int]:
    """Return the amounts of those intents (each with its country) that their escrows had executed by the block."""
    by_country: dict[str, list[str]] = defaultdict(list)
    for reference, country in references.items():
        by_country[country].append(reference)
    found: dict[str, int] = {}
    for country, intents in by_country.items():
        escrow = MintEscrow(contracts.country(country).escrow)
        parts = [intents[start : start + MAX_BATCH] for start in range(0, len(intents), MAX_BATCH)]
        states = _ask([escrow.intent_states(part) for part in parts], block, pool)
        known = zip(intents, (state for part in states for state in part), strict=True)
        done = [intent for intent, state in known if state == EXECUTED]
        terms = _ask([escrow.get_intent(intent) for intent in done], block, pool)
        found |= {intent: term.amount for intent, term in zip(done, terms, strict=True)}
    return found


def _ask(reads: Sequence[Read[T]], block: int, pool: RpcPool) -> list[T]:
    answers = pool.batch_quorum([read.call(hex(block)) for read in reads])
    try:
        return [_answer(read, answer) for read, answer in zip(reads, answers, strict=True)]
    except ValueError as error:
        raise OutsideUnknown(
            "holdings_unknown", f"the chain does not tell what it held at block {block}; ask again, or another node"
        ) from error


def _answer(read: Read[T], answer: object) -> T:
    if isinstance(answer, RpcError) or answer is NOT_AGREED:
        raise ValueError(f"{read.method}: {answer}")
    return read.decode(answer)
