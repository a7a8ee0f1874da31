"""What the chain itself says was minted: the escrow's events, independent of any row of ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.contracts.abi import MINT_EXECUTED

# Providers refuse wider ranges, or answers of more than some thousand logs.
BLOCKS_PER_QUERY = 500
_WORD = 64


@dataclass(frozen=True, slots=True)
class MintSeen:
    """One MintExecuted event: `amount` base units to `user`, in transaction `tx_hash` of block `block_number`."""

    intent_id: str
    user: str
    amount: int
    tx_hash: str
    block_number: int


def head(*, pool: RpcPool) -> int:
    """Number of the latest block; OutsideUnknown when no endpoint answers."""
    return int(pool.call("eth_blockNumber"), 16)


def mints(*, escrow: str, from_block: int, to_block: int, pool: RpcPool) -> Iterator[MintSeen]:
    """Every mint of `escrow` in the canonical blocks of the range, both ends included, in order."""
    for start in range(from_block, to_block + 1, BLOCKS_PER_QUERY):
        stop = min(start + BLOCKS_PER_QUERY - 1, to_block)
        query = {"address": escrow, "topics": [MINT_EXECUTED], "fromBlock": hex(start), "toBlock": hex(stop)}
        for log in pool.call("eth_getLogs", query):
            yield MintSeen(
                intent_id=log["topics"][1].lower(),
                user="0x" + log["topics"][2][-40:].lower(),
                amount=int(log["data"][2 : 2 + _WORD], 16),
                tx_hash=log["transactionHash"].lower(),
                block_number=int(log["blockNumber"], 16),
            )
