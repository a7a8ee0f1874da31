"""An EVM chain as purchases see it: the neutral protocol over the submitter and the contracts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from fiatrails.chains.core.chain import Destination, FeedAnswer, History, Order, Outcome, Reservation, Settlement
from fiatrails.chains.core.holds import ChainHold
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.core.supply import Coin, Holdings, SupplyPage
from fiatrails.chains.evm.contracts import history, holdings, price_feed, supply
from fiatrails.chains.evm.contracts.deployment import Deployment, deployment
from fiatrails.chains.evm.contracts.identifiers import intent_id, tx_ref_hash
from fiatrails.chains.evm.orders import MintOrder
from fiatrails.chains.evm.submitter import funds, outcomes
from fiatrails.chains.evm.submitter.finality import final_height
from fiatrails.chains.evm.submitter.queries import holds, holds_of, live_intents
from fiatrails.chains.evm.submitter.reservation import reserve, room
from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.conf import config, profile


@dataclass(frozen=True, slots=True)
class EvmChain:
    """The chain with this id. An asset is a country code; a reference is the escrow's intent id; a place is a block."""

    chain_id: int

    @property
    def name(self) -> str:
        """Return `evm:` and the chain id."""
        return f"evm:{self.chain_id}"

    def prepare(self, *, recipient: str, asset: str, tx_ref: str) -> Destination:
        """Return the lower-case recipient and the intent id that the country's escrow computes for `tx_ref`."""
        escrow = self._contracts().country(asset).escrow
        reference = intent_id(chain_id=self.chain_id, escrow=escrow, payer=escrow, tx_ref=tx_ref)
        return Destination(self.name, parse_address(recipient, field="user"), asset, reference)

    def reserve(self, orders: Sequence[Order], *, now: datetime, clearance_key: bytes) -> Reservation:
        """Take a nonce for as many orders as fit into free slots and can be paid for."""
        mints = [
            MintOrder(
                intent_id=order.reference,
                recipient=order.recipient,
                amount=order.amount,
                country_code=order.asset,
                tx_ref_hash=tx_ref_hash(order.tx_ref),
                clearance=order.clearance,
                alone=order.alone,
            )
            for order in orders
        ]
        return reserve(mints, now=now, clearance_key=clearance_key)

    def room(self, *, now: datetime) -> int:
        """Return how many orders free slots of lanes that do not hold would take."""
        return room(self.chain_id, now=now)

    def payable(self, *, now: datetime) -> dict[str, int]:  # noqa: ARG002 - every domain function receives the time
        """Return what treasury or executors can pay for, by country, as last read."""
        with connection.cursor() as cursor:
            return funds.budgets(cursor, self.chain_id).payable()

    def holds(self, *, now: datetime) -> list[ChainHold]:
        """Return the lanes that hold, and the countries whose contracts or coins do."""
        return holds(self.chain_id, now=now)

    def holds_of(self, references: Sequence[str], *, now: datetime) -> list[ChainHold]:
        """Return what holds the lanes of these references."""
        return holds_of(self.chain_id, references, now=now)

    def collect(self, limit: int, *, now: datetime) -> list[Outcome]:
        """Return what the submitter has not told yet, and mark it as told."""
        return outcomes.take(limit, now=now)

    def is_live(self, references: Sequence[str]) -> set[str]:
        """Return those that own a place in a nonce slot that was not released."""
        return live_intents(references)

    def history(self, *, pool: RpcPool) -> History:
        """Read the MintExecuted events of every escrow up to the latest block."""
        contracts = self._contracts()
        until = history.head(pool=pool)
        return History(
            until,
            tuple(
                Settlement(
                    mint.intent_id, mint.recipient, code, mint.amount, mint.tx_hash, mint.block_number, mint.outside
                )
                for code, country in contracts.countries.items()
                for mint in history.mints(
                    chain_id=self.chain_id, escrow=country.escrow, from_block=contracts.block, to_block=until, pool=pool
                )
            ),
        )

    def read_feed(self, address: str, *, pool: RpcPool) -> FeedAnswer:
        """Return the newest round of a contract in the shape of Chainlink's aggregators."""
        return price_feed.read_feed(address, pool=pool)

    def supply_changes(self, after: int, *, pool: RpcPool) -> SupplyPage:
        """Read the events of escrows and tokens in the final blocks after `after`, from the deployment's block on."""
        contracts = self._contracts()
        final = final_height(pool, profile().evm)
        first = max(after + 1, contracts.block)
        last = min(final, first + supply.BLOCKS_A_CALL - 1)
        if last < first:
            return SupplyPage(after, complete=True)
        changes, coins = supply.read(contracts, first=first, last=last, pool=pool)
        return SupplyPage(last, last == final, changes, coins)

    def holdings(self, coins: Collection[Coin], *, place: int, pool: RpcPool) -> list[Holdings]:
        """Ask tokens, escrows and coins at the block."""
        return holdings.read(self._contracts(), coins, block=place, pool=pool)

    def settled(self, references: Mapping[str, str], *, place: int, pool: RpcPool) -> dict[str, int]:
        """Ask the escrows at the block."""
        return holdings.executed(self._contracts(), references, block=place, pool=pool)

    def _contracts(self) -> Deployment:
        return deployment(config().deployments_path, self.chain_id)
