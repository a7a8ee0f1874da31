"""What the chain itself says was minted: the escrow's events, independent of any row of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.contracts.escrow import MintEscrow, Minted, read_minted, read_reference
from fiatrails.chains.evm.contracts.identifiers import intent_ids

# Providers refuse wider ranges, or answers of more than some thousand logs.
BLOCKS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class MintEvent(Minted):
    """A mint in transaction `tx_hash` of block `block_number`. `outside`: its payer is not the escrow, so it was made
    for a deposit of somebody else."""

    tx_hash: str
    block_number: int
    outside: bool = False


def head(*, pool: RpcPool) -> int:
    """Return the number of the latest block; OutsideUnknown when no endpoint answers."""
    return int(pool.call("eth_blockNumber"), 16)


def mints(*, chain_id: int, escrow: str, from_block: int, to_block: int, pool: RpcPool) -> Iterator[MintEvent]:
    """Yield every mint of `escrow` in the canonical blocks of the range, both ends included, in order."""
    contract = MintEscrow(escrow)
    own_id = intent_ids(chain_id=chain_id, escrow=escrow, payer=escrow)
    for start in range(from_block, to_block + 1, BLOCKS_PER_QUERY):
        stop = min(start + BLOCKS_PER_QUERY - 1, to_block)
        query = contract.mints_between(start, stop)
        for log in pool.call(query.method, *query.params):
            mint = read_minted(log)
            yield MintEvent(
                mint.intent_id, mint.recipient, mint.amount, log["transactionHash"].lower(), int(log["blockNumber"], 16),
                outside=mint.intent_id != own_id(read_reference(log)),
            )
