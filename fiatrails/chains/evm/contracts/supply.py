"""Events that change the supply of country tokens beside our own mints: redemptions, burns, mints for deposits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from fiatrails.chains.core.pool import QUORUM, RpcPool
from fiatrails.chains.core.rpc import Call, RpcError
from fiatrails.chains.core.supply import Coin, SupplyChange, SupplyKind
from fiatrails.chains.evm.contracts.deployment import Deployment
from fiatrails.chains.evm.contracts.escrow import (
    Minted,
    Redeemed,
    StablecoinChanged,
    read_reference,
    read_supply,
    supply_between,
)
from fiatrails.chains.evm.contracts.history import BLOCKS_PER_QUERY
from fiatrails.chains.evm.contracts.identifiers import intent_ids
from fiatrails.chains.evm.contracts.token import Burnt, burns_between, read_burnt
from fiatrails.kernel.errors import OutsideUnknown

# A call ends after some seconds, and what it has read is kept: a long history is read in several.
BLOCKS_A_CALL = 10 * BLOCKS_PER_QUERY
_log = structlog.get_logger()
Log = Mapping[str, Any]
# What two honest nodes say alike of a log; some add fields of their own.
_FIELDS = ("address", "topics", "data", "blockHash", "blockNumber", "transactionHash", "logIndex")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log is: `index` counts within the block, so it orders the logs of a transaction."""

    block: int
    transaction: str
    index: int


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """What a log of a country's contracts tells of."""

    country: str
    place: Place
    what: Minted | Redeemed | StablecoinChanged | Burnt


def read(contracts: Deployment, *, first: int, last: int, pool: RpcPool) -> tuple[list[SupplyChange], list[Coin]]:
    """Return what changed the supply in these blocks (both ends included, all of them final), in order, and the coins
    that came into use. OutsideUnknown unless everything is known of every block."""
    changes: list[SupplyChange] = []
    coins: set[Coin] = set()
    for start in range(first, last + 1, BLOCKS_PER_QUERY):
        stop = min(start + BLOCKS_PER_QUERY - 1, last)
        try:
            events = _events(contracts, *_logs(contracts, start, stop, pool))
            changes += changes_of(events)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            _log.warning("supply.unread", first=start, last=stop, error=str(error))
            raise _unknown(start, stop) from error
        coins |= {Coin(each.country, each.what.address) for each in events if isinstance(each.what, StablecoinChanged)}
    return changes, sorted(coins)


def _logs(contracts: Deployment, first: int, last: int, pool: RpcPool) -> tuple[list[Log], list[Log]]:
    """The logs of escrows and of tokens. A node that lacks the last block would leave out what it has not seen, so its
    header is asked with them; where three endpoints are configured, two must say the same."""
    countries = contracts.countries.values()
    calls = [
        supply_between([country.escrow for country in countries], first, last),
        burns_between([country.token for country in countries], first, last),
        Call("eth_getBlockByNumber", (hex(last), False)),
    ]
    answers: list[list[Any]] = pool.batch_each(calls) if pool.has_quorum else [pool.batch(calls)]
    complete = [
        [_plain(answer[0]), _plain(answer[1]), answer[2]["hash"]]
        for answer in answers
        if answer[2] and not any(isinstance(each, RpcError) for each in answer)
    ]
    for found in complete:
        if complete.count(found) >= (QUORUM if pool.has_quorum else 1):
            return found[0], found[1]
    refusals = {each.message for answer in answers for each in answer if isinstance(each, RpcError)}
    _log.warning("supply.unread", first=first, last=last, errors=sorted(refusals))
    raise _unknown(first, last)


def _unknown(first: int, last: int) -> OutsideUnknown:
    return OutsideUnknown(
        "supply_unknown", f"the chain does not tell all supply events of blocks {first} to {last}; ask again"
    )


def _plain(logs: Iterable[Log]) -> list[Log]:
    return [{name: log[name] for name in _FIELDS} for log in logs]


def _events(contracts: Deployment, of_escrows: Iterable[Log], of_tokens: Iterable[Log]) -> list[ChainEvent]:
    """All events in the order of the chain, without the mints that are our orders'."""
    tokens = {country.token: country.code for country in contracts.countries.values()}
    found = [ChainEvent(tokens[log["address"].lower()], _place(log), read_burnt(log)) for log in of_tokens]
    found += _escrow_events(contracts, of_escrows)
    return sorted(found, key=lambda event: (event.place.block, event.place.index))


def _escrow_events(contracts: Deployment, logs: Iterable[Log]) -> Iterator[ChainEvent]:
    countries = {country.escrow: country.code for country in contracts.countries.values()}
    own_ids = {e: intent_ids(chain_id=contracts.chain_id, escrow=e, payer=e) for e in countries}
    for log in logs:
        escrow, what = log["address"].lower(), read_supply(log)
        # What the rail settles has the escrow itself as its payer (decision 6): no deposit can have such an id.
        if not isinstance(what, Minted) or what.intent_id != own_ids[escrow](read_reference(log)):
            yield ChainEvent(countries[escrow], _place(log), what)


def _place(log: Log) -> Place:
    return Place(int(log["blockNumber"], 16), log["transactionHash"].lower(), int(log["logIndex"], 16))


def changes_of(events: Sequence[ChainEvent]) -> list[SupplyChange]:
    """Return what the events, in order, changed; ValueError when a redemption has no burn of its own. A burn of nothing
    changes nothing."""
    redeemed = _burns_of_redemptions(events)
    made = [_change(event) for event in events if event.place not in redeemed]
    return [change for change in made if change is not None]


def _burns_of_redemptions(events: Iterable[ChainEvent]) -> set[Place]:
    """The escrow says Redeemed and burns in the same breath: the next burn of its token in the transaction is its."""
    found: set[Place] = set()
    waiting: dict[tuple[str, str], Redeemed] = {}
    for event in events:
        key = event.place.transaction, event.country
        if isinstance(event.what, Redeemed):
            if waiting.setdefault(key, event.what) is not event.what:
                raise ValueError(f"two redemptions before a burn in {event.place.transaction}")
        elif isinstance(event.what, Burnt) and (redemption := waiting.pop(key, None)):
            if (redemption.holder, redemption.tokens) != (event.what.holder, event.what.tokens):
                raise ValueError(f"a redemption and its burn differ in {event.place.transaction}")
            found.add(event.place)
    if waiting:
        raise ValueError(f"a redemption without its burn in {next(iter(waiting))[0]}")
    return found


def _change(event: ChainEvent) -> SupplyChange | None:
    what = event.what
    if isinstance(what, Minted):
        return _made(event, SupplyKind.MINTED, what.recipient, what.amount, what.intent_id)
    if isinstance(what, Redeemed):
        return _made(event, SupplyKind.REDEEMED, what.holder, what.tokens)
    if isinstance(what, Burnt) and what.tokens:
        return _made(event, SupplyKind.BURNED, what.holder, what.tokens)
    return None


def _made(event: ChainEvent, kind: SupplyKind, account: str, amount: int, reference: str = "") -> SupplyChange:
    place = event.place
    key = f"{place.transaction}:{place.index}"
    return SupplyChange(key, kind, event.country, amount, account, place.transaction, place.block, reference)
