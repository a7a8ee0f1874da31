"""What to sign for a nonce: the whole batch, the part of it that works, nothing, or not yet.

The nonce is taken and never recycled (one source of nonces), so something has to use it in the end. The scheme:

- Orders that have to wait leave first, while nothing is signed (`unsigned`): clearance expired, contracts paused, coins
  not there. A slot without orders is vacant and waits for the next ones.
- The batch passes eth_estimateGas: sign it.
- It reverts: every intent is simulated by itself, in one JSON-RPC batch. Those that pass are tried together, half of
  them at a time until a part passes; that part is signed. The others stay linked to the slot with a code and leave it
  as RELEASED when the nonce is final and the escrow does not know them (a slot is left on proof); their owner orders
  them again, alone.
- None passes, and an empty batch reverts as well, or the reason is one of the whole rail (paused, no role, treasury
  short): hold. Nothing is signed, the nonce stays reserved, the lane says why. A pause or an outage burns no nonce.
- None passes while an empty batch does: sign a no-op (nothing, to ourselves), which uses the nonce up.
- Intents whose clearance expires between the two are left out in the same way: nothing unscreened mints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from fiatrails.chains.core.rpc import Call, RpcError
from fiatrails.chains.evm.contracts.errors import is_systemic, revert_name
from fiatrails.chains.evm.contracts.escrow import BatchItem, MintEscrow
from fiatrails.chains.evm.pool import EvmPool, is_revert
from fiatrails.chains.evm.submitter.states import SlotKind
from fiatrails.chains.evm.submitter.tick import SlotRow, Tick
from fiatrails.chains.evm.submitter.unsigned import EXPIRED, make_ready
from fiatrails.kernel.errors import OutsideUnknown

NOOP_GAS = 21_000
_HEADROOM_NUMERATOR, _HEADROOM_DENOMINATOR, _HEADROOM_CONSTANT = 13, 10, 50_000
# Nodes say it in different words when a call needs more gas than a block has.
_TOO_BIG = ("gas required exceeds", "out of gas", "outofgas", "exceeds block gas limit")

_ITEMS = """
SELECT slot_id, intent_id, user_address, amount, tx_ref_hash, cleared_until FROM evm_slot_intent
WHERE slot_id = ANY(%s) AND code = '' ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class SigningPlan:
    """What to sign for a slot. `left_out`: intent -> code of those that are not in it."""

    slot: SlotRow
    kind: SlotKind
    to: str
    data: bytes
    gas: int
    left_out: dict[str, str] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Deferral:
    """Nothing may be signed yet; `reason` is for the operator."""

    slot: SlotRow
    reason: str


@dataclass(frozen=True, slots=True)
class _Draft:
    """A slot with the intents that may still go into it."""

    slot: SlotRow
    items: tuple[BatchItem, ...]
    left_out: dict[str, str]

    @property
    def data(self) -> bytes:
        """Return the calldata as it stands."""
        return self.slot.calldata if self.slot.kind is SlotKind.CALL else MintEscrow.settle_batch(self.items)

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to send but a no-op."""
        return self.slot.kind is SlotKind.NOOP or (self.slot.kind is SlotKind.SETTLE and not self.items)


def make_plans(tick: Tick, slots: Sequence[SlotRow]) -> list[SigningPlan | Deferral]:
    """Return plans in nonce order, up to and including the first Deferral: nothing after it may be published (no
    gaps)."""
    drafts = _drafts(make_ready(tick, slots), tick.now())
    estimates = iter(_estimate(tick, [draft for draft in drafts if not draft.is_empty]))
    plans: list[SigningPlan | Deferral] = []
    for draft in drafts:
        made = _noop(tick, draft, "") if draft.is_empty else _decide(tick, draft, next(estimates))
        plans.append(made)
        if isinstance(made, Deferral):
            break
    return plans


def batch_items(slot_ids: Sequence[int]) -> dict[int, list[tuple[BatchItem, datetime]]]:
    """Return the intents that are part of the slots' batches, in order, with the end of their clearance."""
    found: dict[int, list[tuple[BatchItem, datetime]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_ITEMS, [list(slot_ids)])
        for slot_id, intent_id, user, amount, tx_ref, until in cursor.fetchall():
            found.setdefault(slot_id, []).append((BatchItem(intent_id, user, int(amount), tx_ref), until))
    return found


def _drafts(slots: Sequence[SlotRow], now: datetime) -> list[_Draft]:
    items = batch_items([slot.id for slot in slots if slot.kind is SlotKind.SETTLE])
    drafts = []
    for slot in slots:
        members = items.get(slot.id, [])
        expired = {item.intent_id: EXPIRED for item, until in members if until <= now}
        fresh = tuple(item for item, _ in members if item.intent_id not in expired)
        drafts.append(_Draft(slot, fresh, expired))
    return drafts


def _estimate(tick: Tick, drafts: Sequence[_Draft]) -> list[int | RpcError]:
    calls = [Call("eth_estimateGas", (_transaction(tick, draft.slot.to_address, draft.data),)) for draft in drafts]
    return [_gas(answer) for answer in tick.pool.batch(calls)]


def _gas(answer: object) -> int | RpcError:
    if isinstance(answer, RpcError):
        return answer
    try:
        return int(str(answer), 16)
    except ValueError:
        return RpcError(0, "eth_estimateGas gave no number")


def _transaction(tick: Tick, to: str, data: bytes) -> dict[str, str]:
    return {"from": tick.lease.address, "to": to, "data": "0x" + data.hex()}


def _decide(tick: Tick, draft: _Draft, estimate: int | RpcError) -> SigningPlan | Deferral:
    if isinstance(estimate, int) and estimate <= tick.evm.block_gas_limit:
        return _signing_plan(tick, draft, estimate)
    error = estimate if isinstance(estimate, RpcError) else RpcError(0, "exceeds block gas limit")
    if not (is_revert(error) or _is_too_big(error)):
        return Deferral(draft.slot, f"simulation: {error.message[:120]}")
    if draft.slot.kind is SlotKind.CALL:
        name = revert_name(error)
        return Deferral(draft.slot, name) if is_systemic(name) else _noop(tick, draft, name)
    return _bisect(tick, draft, error)


def _signing_plan(tick: Tick, draft: _Draft, estimate: int) -> SigningPlan:
    """Headroom, because balances and the registry may change before the block does; never above a block."""
    gas = estimate * _HEADROOM_NUMERATOR // _HEADROOM_DENOMINATOR + _HEADROOM_CONSTANT
    gas = min(gas, tick.evm.block_gas_limit)
    return SigningPlan(draft.slot, draft.slot.kind, draft.slot.to_address, draft.data, gas, draft.left_out)


def _noop(tick: Tick, draft: _Draft, error: str) -> SigningPlan:
    return SigningPlan(draft.slot, SlotKind.NOOP, tick.lease.address, b"", NOOP_GAS, draft.left_out, error)


def _bisect(tick: Tick, draft: _Draft, error: RpcError) -> SigningPlan | Deferral:
    failures = _failures_alone(tick, draft, error)
    good = tuple(item for item in draft.items if item.intent_id not in failures)
    if not good:
        return _nothing_passes(tick, draft, failures)
    left_out = draft.left_out | failures
    while good:
        trial = _Draft(draft.slot, good, left_out)
        estimate = _estimate(tick, [trial])[0]
        if isinstance(estimate, int) and estimate <= tick.evm.block_gas_limit:
            return _signing_plan(tick, trial, estimate)
        keep = len(good) // 2
        left_out = left_out | {item.intent_id: "batch_reverted" for item in good[keep:]}
        good = good[:keep]
    # Each passed by itself a moment ago and none does now: the state is changing, look again later.
    return Deferral(draft.slot, "simulation: unstable")


def _failures_alone(tick: Tick, draft: _Draft, error: RpcError) -> dict[str, str]:
    """Intents that revert even alone, with the reason."""
    if len(draft.items) == 1:
        return {draft.items[0].intent_id: revert_name(error)}
    calls = [
        Call("eth_call", (_transaction(tick, draft.slot.to_address, MintEscrow.settle_batch([item])), "latest"))
        for item in draft.items
    ]
    answers = tick.pool.batch(calls)
    if any(isinstance(answer, RpcError) and not is_revert(answer) for answer in answers):
        raise OutsideUnknown("simulation_unknown", "the RPC endpoint does not say whether the mints would pass")
    return {
        item.intent_id: revert_name(answer)
        for item, answer in zip(draft.items, answers, strict=True)
        if isinstance(answer, RpcError)
    }


def _nothing_passes(tick: Tick, draft: _Draft, failures: dict[str, str]) -> SigningPlan | Deferral:
    systemic = [name for name in failures.values() if is_systemic(name)]
    empty_batch = _empty_batch_error(tick.pool, tick.lease.address, draft.slot.to_address)
    if systemic or empty_batch:
        return Deferral(draft.slot, systemic[0] if systemic else empty_batch)
    return _noop(tick, _Draft(draft.slot, (), draft.left_out | failures), "batch_reverted")


def _empty_batch_error(pool: EvmPool, executor: str, escrow: str) -> str:
    """Why even an empty batch reverts, or ""."""
    call = Call(
        "eth_call", ({"from": executor, "to": escrow, "data": "0x" + MintEscrow.settle_batch([]).hex()}, "latest")
    )
    answer = pool.batch([call])[0]
    return revert_name(answer) if isinstance(answer, RpcError) else ""


def _is_too_big(error: RpcError) -> bool:
    text = error.message.lower()
    return any(words in text for words in _TOO_BIG)
