"""An EVM chain as purchases see it: the neutral protocol over the submitter and the contracts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fiatrails.chains.core.chain import Destination, FeedAnswer, History, Order, Outcome, Settlement
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.contracts import history, price_feed
from fiatrails.chains.evm.contracts.deployment import Deployment, deployment
from fiatrails.chains.evm.contracts.identifiers import intent_id, tx_ref_hash
from fiatrails.chains.evm.orders import MintOrder
from fiatrails.chains.evm.submitter import outcomes
from fiatrails.chains.evm.submitter.queries import live_intents
from fiatrails.chains.evm.submitter.reservation import reserve
from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.conf import config


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

    def reserve(self, orders: Sequence[Order], *, now: datetime, clearance_key: bytes) -> list[str]:
        """Take a nonce for as many orders as fit into free slots; return the references accepted."""
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
                Settlement(mint.intent_id, mint.recipient, code, mint.amount, mint.tx_hash, mint.block_number)
                for code, country in contracts.countries.items()
                for mint in history.mints(escrow=country.escrow, from_block=contracts.block, to_block=until, pool=pool)
            ),
        )

    def read_feed(self, address: str, *, pool: RpcPool) -> FeedAnswer:
        """Return the newest round of a contract in the shape of Chainlink's aggregators."""
        return price_feed.read_feed(address, pool=pool)

    def _contracts(self) -> Deployment:
        return deployment(config().deployments_path, self.chain_id)
