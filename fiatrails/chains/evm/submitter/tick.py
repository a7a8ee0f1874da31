"""What one tick works on: the lane's open slots, their attempts, and what the chain looks like now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from fiatrails.chains.core.rpc import Call, RpcError
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.chains.evm.signer import Signer
from fiatrails.chains.evm.submitter.fees import FeePolicy, Fees, Market, market
from fiatrails.chains.evm.submitter.finality import final_of, second_highest_final
from fiatrails.chains.evm.submitter.headers import Header, parse_header
from fiatrails.chains.evm.submitter.lease import LaneLease
from fiatrails.chains.evm.submitter.states import SlotKind, SlotState
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.kernel.profile import Evm

_SLOTS = """
SELECT id, nonce, kind, state, to_address, country, calldata, gas, refusal, last_sent_at, tx_hash, block_number,
    block_hash
FROM evm_nonce_slot WHERE lane_id = %s AND state IN ('reserved', 'published', 'included') ORDER BY nonce
"""
_ATTEMPTS = """
SELECT id, slot_id, hash, max_fee, tip, gas, signed_at_block, state FROM evm_attempt
WHERE slot_id = ANY(%s) ORDER BY id
"""
_RAW = "SELECT id, raw FROM evm_attempt WHERE id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """Signed bytes of a slot, without the bytes."""

    id: int
    slot_id: int
    hash: str
    fees: Fees
    gas: int
    signed_at_block: int
    state: str


@dataclass(frozen=True, slots=True)
class SlotRow:
    """An open slot with its attempts, oldest first."""

    id: int
    nonce: int
    kind: SlotKind
    state: SlotState
    to_address: str
    country: str
    calldata: bytes
    gas: int
    refusal: str
    last_sent_at: datetime | None
    tx_hash: str
    block_number: int
    block_hash: str
    attempts: tuple[AttemptRow, ...]

    @property
    def newest(self) -> AttemptRow:
        """Return the attempt with the highest fees."""
        return self.attempts[-1]

    @property
    def escrow(self) -> str:
        """Return the contract whose mint events count, empty when this slot mints nothing."""
        return self.to_address if self.country else ""


@dataclass(slots=True)
class TickReport:
    """What one pass over a lane did. `status`: idle (nothing open), busy (another worker has it), no_signer, worked.
    `held` says why something waits. `progressed` means that another pass at once may find more."""

    lane_id: int
    status: str = "worked"
    held: str = ""
    signed: int = 0
    published: int = 0
    rebroadcast: int = 0
    bumped: int = 0
    included: int = 0
    reorganised: int = 0
    final: int = 0
    executed: int = 0
    released: int = 0
    usurped: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def progressed(self) -> bool:
        """Return whether anything moved."""
        return bool(self.signed + self.published + self.included + self.reorganised + self.final + self.bumped)


@dataclass(frozen=True, slots=True)
class Tick:
    """One pass over a lane: the lease that it holds and what it works with."""

    lease: LaneLease
    pool: EvmPool
    signer: Signer
    evm: Evm
    report: TickReport

    @property
    def policy(self) -> FeePolicy:
        """Return the fee bounds of the profile."""
        return FeePolicy(cap=self.evm.fee_cap_wei, min_tip=self.evm.min_tip_wei)

    def now(self) -> datetime:
        """Return the present moment."""
        return self.lease.clock.now()


@dataclass(frozen=True, slots=True)
class ChainView:
    """The chain as one endpoint tells it now (finality as two of three tell it). `nonce` counts the lane's mined
    transactions; `final_number` is the height up to which nothing changes any more, negative when there is none;
    `unfinal` says why the chain does not tell it."""

    head: Header
    final_number: int
    nonce: int
    market: Market
    unfinal: str = ""


def open_slots(lane_id: int) -> list[SlotRow]:
    """Return every slot of the lane that is not final, lowest nonce first."""
    with connection.cursor() as cursor:
        cursor.execute(_SLOTS, [lane_id])
        rows = cursor.fetchall()
        cursor.execute(_ATTEMPTS, [[row[0] for row in rows]])
        attempts: dict[int, list[AttemptRow]] = {}
        for number, slot_id, tx_hash, max_fee, tip, gas, signed_at, state in cursor.fetchall():
            made = AttemptRow(number, slot_id, tx_hash, Fees(max_fee, tip), gas, signed_at, state)
            attempts.setdefault(slot_id, []).append(made)
    return [_slot(row, attempts.get(row[0], [])) for row in rows]


def _slot(row: Sequence[Any], attempts: Sequence[AttemptRow]) -> SlotRow:
    slot_id, nonce, kind, state, to, country, calldata, gas, refusal, sent_at, tx_hash, number, block_hash = row
    return SlotRow(
        id=slot_id,
        nonce=nonce,
        kind=SlotKind(kind),
        state=SlotState(state),
        to_address=to,
        country=country,
        calldata=bytes(calldata),
        gas=gas,
        refusal=refusal,
        last_sent_at=sent_at,
        tx_hash=tx_hash,
        block_number=-1 if number is None else number,
        block_hash=block_hash,
        attempts=tuple(attempts),
    )


def raw_bytes(attempt_ids: Iterable[int]) -> dict[int, bytes]:
    """Return the signed bytes of attempts."""
    with connection.cursor() as cursor:
        cursor.execute(_RAW, [list(attempt_ids)])
        return {number: bytes(raw) for number, raw in cursor.fetchall()}


def read_chain(pool: EvmPool, *, address: str, evm: Evm) -> ChainView:
    """Return the chain as it is now, asked in one JSON-RPC batch; OutsideUnknown when the answers are of no use."""
    tag = "finalized" if evm.finality == "finalized" else "latest"
    calls = [
        Call("eth_getBlockByNumber", ("latest", False)),
        Call("eth_getBlockByNumber", (tag, False)),
        Call("eth_getTransactionCount", (address, "latest")),
        Call("eth_feeHistory", ("0x5", "latest", [50])),
    ]
    latest, final, count, history = pool.batch(calls)
    head = parse_header(latest)
    try:
        if head is None or isinstance(count, RpcError) or isinstance(history, RpcError):
            raise ValueError("no head")
        fees, nonce = market(history), int(count, 16)
    except (TypeError, ValueError):
        raise OutsideUnknown("rpc_head", "the RPC endpoint does not say what the head of the chain is") from None
    final_number, unfinal = final_of(final, head=head.number, evm=evm)
    if pool.has_quorum:
        agreed = second_highest_final(pool, evm)
        final_number = agreed if unfinal else min(final_number, agreed)
        unfinal = unfinal if agreed < 0 else ""
    return ChainView(head=head, final_number=final_number, nonce=nonce, market=fees, unfinal=unfinal)
