"""States of slots, attempts and intents on their way through the chain, and the only moves between them. Pure."""

from __future__ import annotations

from enum import StrEnum

from fiatrails.chains.evm.submitter.answers import SendOutcome


class SlotKind(StrEnum):
    """What a nonce is for: a batch of mints, a single contract call, or nothing but using the nonce up. VACANT: its
    orders left before anything was signed, and the next orders get it."""

    SETTLE = "settle"
    CALL = "call"
    NOOP = "noop"
    VACANT = "vacant"


class SlotState(StrEnum):
    """RESERVED: a nonce is taken, no node is known to hold bytes of it. PUBLISHED: a node may hold them. INCLUDED:
    mined in a block that is canonical now. FINAL: decided for ever."""

    RESERVED = "reserved"
    PUBLISHED = "published"
    INCLUDED = "included"
    FINAL = "final"


class SlotResult(StrEnum):
    """How a FINAL slot ended. USURPED: a transaction that is not ours used the nonce."""

    NONE = ""
    SUCCESS = "success"
    REVERTED = "reverted"
    USURPED = "usurped"


class AttemptState(StrEnum):
    """SIGNED: committed, not known to have left. AMBIGUOUS: may have left. ACKED: a node holds it. INCLUDED: mined.
    SUPERSEDED: another attempt of the slot is final."""

    SIGNED = "signed"
    AMBIGUOUS = "ambiguous"
    ACKED = "acked"
    INCLUDED = "included"
    SUPERSEDED = "superseded"


class IntentState(StrEnum):
    """LIVE: in a slot. MINED: executed in a canonical block that is not final. EXECUTED, RELEASED: final."""

    LIVE = "live"
    MINED = "mined"
    EXECUTED = "executed"
    RELEASED = "released"


LIVE_SLOTS = (SlotState.RESERVED, SlotState.PUBLISHED, SlotState.INCLUDED)

_SLOT_MOVES: dict[SlotState, frozenset[SlotState]] = {
    # A reserved slot becomes final only when its nonce was usurped; a crash after the send leaves it reserved while
    # it is mined already, hence RESERVED -> INCLUDED.
    SlotState.RESERVED: frozenset({SlotState.PUBLISHED, SlotState.INCLUDED, SlotState.FINAL}),
    SlotState.PUBLISHED: frozenset({SlotState.INCLUDED, SlotState.FINAL}),
    SlotState.INCLUDED: frozenset({SlotState.PUBLISHED, SlotState.FINAL}),
    SlotState.FINAL: frozenset(),
}
_INTENT_MOVES: dict[IntentState, frozenset[IntentState]] = {
    IntentState.LIVE: frozenset({IntentState.MINED, IntentState.EXECUTED, IntentState.RELEASED}),
    IntentState.MINED: frozenset({IntentState.LIVE, IntentState.EXECUTED, IntentState.RELEASED}),
    IntentState.EXECUTED: frozenset(),
    IntentState.RELEASED: frozenset(),
}


def slot_sources(target: SlotState) -> list[str]:
    """Return the states from which a slot may move to `target`: the WHERE of every write."""
    return [state.value for state, targets in _SLOT_MOVES.items() if target in targets]


def intent_sources(target: IntentState) -> list[str]:
    """Return the states from which an intent may move to `target`: the WHERE of every write."""
    return [state.value for state, targets in _INTENT_MOVES.items() if target in targets]


def attempt_after_send(outcome: SendOutcome) -> AttemptState:
    """Return what an attempt is after a broadcast. Only what certainly nobody holds stays SIGNED."""
    if outcome in (SendOutcome.ACCEPTED, SendOutcome.KNOWN):
        return AttemptState.ACKED
    if outcome in (SendOutcome.NOT_SENT, SendOutcome.NO_FUNDS, SendOutcome.REFUSED):
        return AttemptState.SIGNED
    return AttemptState.AMBIGUOUS


def is_published(outcome: SendOutcome) -> bool:
    """Return whether the slot counts as published: N + 1 goes out only then (no gaps)."""
    return attempt_after_send(outcome) is not AttemptState.SIGNED
