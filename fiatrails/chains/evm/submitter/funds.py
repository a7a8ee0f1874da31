"""What stands behind the mints: coins and contracts as the chain tells of them, kept in rows, and what orders in flight
leave of them.

Whoever pays (the treasury, or without one the executor of the lane) is read every few seconds by the worker that holds
the keys. An order that cannot be paid for gets no nonce, and one that has a nonce leaves it while nothing is signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.rpc import Call, RpcError
from fiatrails.chains.evm.contracts.contract import Pausable, Read
from fiatrails.chains.evm.contracts.deployment import CountryContracts, Deployment, deployment
from fiatrails.chains.evm.contracts.escrow import MintEscrow
from fiatrails.chains.evm.contracts.stablecoin import Stablecoin
from fiatrails.kernel.conf import config
from fiatrails.kernel.currencies import TOKEN_DECIMALS
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.kernel.rows import json_rows

_log = structlog.get_logger()
_READ_AGAIN_AFTER = timedelta(seconds=2)
# What no sum of mints comes near: an allowance above it is one without a bound.
_WITHOUT_LIMIT = 2**160

_KNOWN = """
SELECT country, payer, is_treasury, escrow, stablecoin, balance, allowance, block_number, read_at, held
FROM evm_funds WHERE chain_id = %s ORDER BY country, payer
"""
_LANES = "SELECT id, address FROM evm_lane WHERE chain_id = %s AND role = 'executor' ORDER BY id"
# Rows in one order, so that two workers that read at once do not wait for each other in a circle.
_STORE = """
INSERT INTO evm_funds (chain_id, country, payer, is_treasury, escrow, stablecoin, balance, allowance, block_number,
    read_at, held, held_since)
SELECT %(chain)s, country, payer, is_treasury, escrow, stablecoin, balance, allowance, block_number, %(now)s, held,
    CASE WHEN held = '' THEN NULL ELSE %(now)s::timestamptz END
FROM json_to_recordset(%(rows)s::json) AS t (country text, payer text, is_treasury boolean, escrow text,
    stablecoin text, balance numeric, allowance numeric, block_number bigint, held text) ORDER BY country, payer
ON CONFLICT (chain_id, country, payer) DO UPDATE SET is_treasury = excluded.is_treasury, escrow = excluded.escrow,
    stablecoin = excluded.stablecoin, balance = excluded.balance, allowance = excluded.allowance,
    block_number = excluded.block_number, read_at = excluded.read_at, held = excluded.held,
    held_since = CASE WHEN excluded.held = '' THEN NULL ELSE coalesce(evm_funds.held_since, excluded.held_since) END
"""
# The treasury was changed, or a country is not served any more.
_FORGET = """
DELETE FROM evm_funds WHERE chain_id = %s
    AND NOT (country, payer) IN (SELECT country, payer FROM json_to_recordset(%s::json) AS t (country text, payer text))
"""
# What is signed or may be signed, and what was mined after the figures were read. What a batch left out does not count.
_IN_FLIGHT = """
SELECT s.country, s.lane_id, CASE WHEN s.state = 'included' THEN s.block_number END,
    s.state = 'reserved' AND NOT EXISTS (SELECT FROM evm_attempt a WHERE a.slot_id = s.id), sum(i.amount)
FROM evm_nonce_slot s JOIN evm_slot_intent i ON i.slot_id = s.id AND i.state IN ('live', 'mined') AND i.code = ''
WHERE s.lane_id = ANY(%s)
    AND (s.state IN ('reserved', 'published') OR (s.state = 'included' AND s.block_number > %s))
GROUP BY 1, 2, 3, 4
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CoinStanding:
    """What one payer has for one country's mints, in the coin's base units, as of a block."""

    country: str
    payer: str
    is_treasury: bool
    escrow: str
    stablecoin: str
    balance: int
    allowance: int
    block_number: int
    read_at: datetime
    held: str


@dataclass(slots=True)
class Budget:
    """What is left of a standing while orders take from it; `promised` is what those in flight take."""

    standing: CoinStanding
    promised: int = 0

    @property
    def left(self) -> int:
        """Return how much can still be minted; 0 while the contracts are paused."""
        if _is_paused(self.standing):
            return 0
        return max(0, min(self.standing.balance, self.standing.allowance) - self.promised)

    def lacking(self, amount: int) -> str:
        """Return why `amount` cannot be paid for, as `code: sentence` with what to do; "" when it can."""
        if _is_paused(self.standing):
            return self.standing.held
        return _shortage(self.standing, amount, self.promised) if amount > self.left else ""


class Budgets:
    """The budgets of a chain's lanes: a treasury's is shared by all of them."""

    def __init__(self, standings: Sequence[CoinStanding]) -> None:
        self._budgets = {(each.country, each.payer): Budget(each) for each in standings}
        self._treasuries = {each.country: each.payer for each in standings if each.is_treasury}

    def of(self, country: str, executor: str) -> Budget | None:
        """Return what the lane of `executor` can mint for the country; None while nothing is known."""
        return self._budgets.get((country, self._treasuries.get(country, executor)))

    def payable(self) -> dict[str, int]:
        """Return the most that any lane can mint at once, by country."""
        found: dict[str, int] = {}
        for (country, _), budget in self._budgets.items():
            found[country] = max(found.get(country, 0), budget.left)
        return found


def refresh(*, pool: RpcPool, now: datetime) -> None:
    """Read the figures again once they are some seconds old, and keep them; OutsideUnknown when the chain gives no
    answer: what was read last stands."""
    settings = config()
    contracts = deployment(settings.deployments_path, settings.profile.chain_id)
    with connection.cursor() as cursor:
        known = _standings(cursor, contracts.chain_id)
        cursor.execute(_LANES, [contracts.chain_id])
        executors = [address for _, address in cursor.fetchall()]
    pause = max(_READ_AGAIN_AFTER, timedelta(milliseconds=settings.profile.evm.block_time_ms))
    if not executors or (known and all(timedelta(0) <= now - each.read_at < pause for each in known)):
        return
    codes = [each.country_code for each in settings.profile.countries]
    served = [contracts.countries[code] for code in codes if code in contracts.countries]
    found = _read(contracts, served, executors, pool=pool, now=now)
    _report({(each.country, each.payer): each.held for each in known}, found)
    _store(contracts.chain_id, found, now)


def budgets(cursor: CursorWrapper, chain_id: int, *, without_unsigned_of: int | None = None) -> Budgets:
    """Return what orders in flight leave. `without_unsigned_of`: a lane whose unsigned slots are not counted, because
    they are what is decided about."""
    standings = _standings(cursor, chain_id)
    made = Budgets(standings)
    if not standings:
        return made
    cursor.execute(_LANES, [chain_id])
    addresses = dict(cursor.fetchall())
    cursor.execute(_IN_FLIGHT, [list(addresses), min(each.block_number for each in standings)])
    for country, lane_id, mined_at, unsigned, amount in cursor.fetchall():
        budget = made.of(country, addresses[lane_id])
        if budget is None or (unsigned and lane_id == without_unsigned_of):
            continue
        if mined_at is None or mined_at > budget.standing.block_number:
            budget.promised += int(amount)
    return made


def coins(amount: int) -> str:
    """Return an amount of coins for a person."""
    return "any amount" if amount > _WITHOUT_LIMIT else f"{amount / 10**TOKEN_DECIMALS:,.2f}"


def _standings(cursor: CursorWrapper, chain_id: int) -> list[CoinStanding]:
    cursor.execute(_KNOWN, [chain_id])
    return [
        CoinStanding(country, payer, shared, escrow, coin, int(balance), int(allowance), block, read_at, held)
        for country, payer, shared, escrow, coin, balance, allowance, block, read_at, held in cursor.fetchall()
    ]


def _read(
    contracts: Deployment, served: Sequence[CountryContracts], executors: Sequence[str], *, pool: RpcPool, now: datetime
) -> list[CoinStanding]:
    escrows = [MintEscrow(country.escrow) for country in served]
    # The height first: what is mined while the others are asked is then counted as in flight too, not left out.
    first = [
        Call("eth_blockNumber", ()),
        *(read.call() for each in escrows for read in (each.treasury(), each.halted())),
    ]
    height, *answers = pool.batch(first)
    block = _number(height)
    treasuries = [_value(escrow.treasury(), answer) for escrow, answer in zip(escrows, answers[::2], strict=True)]
    halted = [_value(escrow.halted(), answer) for escrow, answer in zip(escrows, answers[1::2], strict=True)]
    payers = [
        (country, bool(treasury), payer)
        for country, treasury in zip(served, treasuries, strict=True)
        for payer in ([treasury] if treasury else executors)
    ]
    questions = [read for country, _, payer in payers for read in _questions(country, payer)]
    figures = _ask(questions, pool)
    words = _pauses([country for country, stands in zip(served, halted, strict=True) if stands], contracts, pool)
    return [
        _with_hold(
            CoinStanding(
                country=country.code, payer=payer, is_treasury=shared, escrow=country.escrow,
                stablecoin=country.stablecoin, balance=balance, allowance=allowance, block_number=block, read_at=now,
                held=words.get(country.code, ""),
            )
        )
        for (country, shared, payer), balance, allowance in zip(payers, figures[::2], figures[1::2], strict=True)
    ]  # fmt: skip


def _questions(country: CountryContracts, payer: str) -> tuple[Read[int], Read[int]]:
    coin = Stablecoin(country.stablecoin)
    return coin.balance_of(payer), coin.allowance(payer, country.escrow)


def _with_hold(found: CoinStanding) -> CoinStanding:
    """Return the standing with a reason when nothing at all can be minted."""
    return (
        found if found.held or min(found.balance, found.allowance) > 0 else replace(found, held=_shortage(found, 1, 0))
    )


def _pauses(halted: Iterable[CountryContracts], contracts: Deployment, pool: RpcPool) -> dict[str, str]:
    """Return which contract stops the mints of each halted country, and how it is started again."""
    found: dict[str, str] = {}
    for country in halted:
        parts = {"escrow": country.escrow, "token": country.token, "ComplianceManager": contracts.manager}
        stands = _ask([Pausable(address).paused() for address in parts.values()], pool)
        paused = [(name, address) for (name, address), stopped in zip(parts.items(), stands, strict=True) if stopped]
        name, address = paused[0] if paused else ("escrow", country.escrow)
        found[country.code] = (
            f"contracts_paused: the {name} {address} of {country.code} is paused and nothing is minted; "
            f"once the cause is known: `cast send {address} 'unpause()'`"
        )
    return found


def _ask(reads: Sequence[Read[T]], pool: RpcPool) -> list[T]:
    answers = pool.batch([read.call() for read in reads]) if reads else []
    return [_value(read, answer) for read, answer in zip(reads, answers, strict=True)]


def _value(read: Read[T], answer: object) -> T:
    if isinstance(answer, RpcError):
        raise OutsideUnknown("funds_unknown", f"the chain does not say what stands behind the mints: {answer.message}")
    try:
        return read.decode(answer)
    except ValueError as error:
        raise OutsideUnknown("funds_unknown", "what stands behind the mints cannot be read") from error


def _number(answer: object) -> int:
    try:
        return int(str(answer), 16)
    except ValueError:
        raise OutsideUnknown("funds_unknown", f"the chain does not say its height: {answer}") from None


def _store(chain_id: int, found: Sequence[CoinStanding], now: datetime) -> None:
    rows: list[Mapping[str, object]] = [
        {
            "country": each.country, "payer": each.payer, "is_treasury": each.is_treasury, "escrow": each.escrow,
            "stablecoin": each.stablecoin, "balance": str(each.balance), "allowance": str(each.allowance),
            "block_number": each.block_number, "held": each.held,
        }
        for each in found
    ]  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_STORE, {"chain": chain_id, "now": now, "rows": json_rows(rows)})
        cursor.execute(_FORGET, [chain_id, json_rows(rows)])


def _report(before: Mapping[tuple[str, str], str], found: Iterable[CoinStanding]) -> None:
    for each in found:
        was = before.get((each.country, each.payer), "")
        if each.held and not was:
            _log.warning("chain.country_held", country=each.country, payer=each.payer, reason=each.held)
        elif was and not each.held:
            _log.info("chain.country_resumed", country=each.country, payer=each.payer)


def _is_paused(standing: CoinStanding) -> bool:
    return standing.held.startswith("contracts_paused")


def _shortage(standing: CoinStanding, amount: int, promised: int) -> str:
    who = f"{'the treasury' if standing.is_treasury else 'the executor'} {standing.payer}"
    taken = f" ({coins(promised)} of it for orders in flight)" if promised else ""
    needs = f"and this mint needs {coins(amount)}" if amount > 1 else "so nothing can be minted"
    if standing.balance - promised < amount:
        return (
            f"treasury_short: {who} holds {coins(standing.balance)}{taken} of the coin behind {standing.country}, "
            f"{needs}; send it coins of {standing.stablecoin}"
        )
    return (
        f"allowance_short: {who} lets the escrow of {standing.country} take {coins(standing.allowance)}{taken}, "
        f"{needs}; approve with its key: "
        f"`cast send {standing.stablecoin} 'approve(address,uint256)' {standing.escrow} AMOUNT`"
    )


def holds(cursor: CursorWrapper, chain_id: int) -> Iterator[tuple[str, str, datetime]]:
    """Yield each country whose mints are held, with the text and since when."""
    cursor.execute(
        "SELECT country, held, held_since FROM evm_funds WHERE chain_id = %s AND held <> '' ORDER BY country, payer",
        [chain_id],
    )
    yield from cursor.fetchall()
