"""What the escrow says, at a finalized block, about intents that a finalized transaction of ours did not execute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from fiatrails.chains.core.pool import NOT_AGREED
from fiatrails.chains.core.rpc import MAX_BATCH, Call, RpcError
from fiatrails.chains.evm.contracts import abi
from fiatrails.chains.evm.pool import EvmPool

_log = structlog.get_logger()

# MintStatus + 1, as intentStates answers.
_UNKNOWN, _EXECUTED = 0, 2
_STATE_CODES = {1: "escrow_pending", 3: "escrow_refunded", 4: "escrow_failed"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`executed`: the escrow minted it, in whatever transaction. Otherwise a later order cannot mint it twice; `code`
    then overrides why (the escrow knows the id and will refuse it), and is empty when it knows nothing."""

    executed: bool
    code: str = ""


def verdicts(pool: EvmPool, *, escrow: str, items: Sequence[abi.Item], final_hash: str) -> dict[str, Verdict] | None:
    """Law 3, the second half. None when no trustworthy answer came (two endpoints must agree where three are
    configured): nothing leaves its slot then. The block is named by hash, so all answers are about one state."""
    states: dict[str, int] = {}
    for start in range(0, len(items), MAX_BATCH):
        part = items[start : start + MAX_BATCH]
        answer = _ask(pool, escrow, [abi.intent_states([item.intent_id for item in part])], final_hash)[0]
        try:
            found = abi.decode_intent_states(answer)
        except ValueError:
            return None
        if len(found) != len(part):
            return None
        states |= {item.intent_id: state for item, state in zip(part, found, strict=True)}
    executed = [item for item in items if states[item.intent_id] == _EXECUTED]
    read_back = _read_back(pool, escrow, executed, final_hash)
    if read_back is None:
        return None
    return {i: Verdict(False, _STATE_CODES.get(state, "")) for i, state in states.items()} | dict(read_back)


def _read_back(pool: EvmPool, escrow: str, items: Sequence[abi.Item], final_hash: str) -> Mapping[str, Verdict] | None:
    """ "Already executed" is success only after reading back whose and how much it was."""
    answers = _ask(pool, escrow, [abi.get_intent(item.intent_id) for item in items], final_hash)
    found: dict[str, Verdict] = {}
    for item, answer in zip(items, answers, strict=True):
        try:
            stored = abi.decode_intent(answer)
        except ValueError:
            return None
        same = stored == abi.OnChainIntent(user=item.user, amount=item.amount)
        if not same:
            _log.error("chain.executed_with_other_terms", intent_id=item.intent_id, escrow=escrow)
        found[item.intent_id] = Verdict(True, "already_executed" if same else "terms_differ")
    return found


def _ask(pool: EvmPool, to: str, calldatas: Sequence[bytes], block_hash: str) -> list[str]:
    """Results as text; an empty text where there is no agreed result."""
    block = {"blockHash": block_hash, "requireCanonical": True}
    calls = [Call("eth_call", ({"to": to, "data": "0x" + data.hex()}, block)) for data in calldatas]
    answers = pool.agreed(calls)
    return ["" if answer is NOT_AGREED or isinstance(answer, RpcError) else str(answer) for answer in answers]
