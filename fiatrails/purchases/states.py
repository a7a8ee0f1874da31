"""States of a purchase and the moves between them. Pure: no Django, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from fiatrails.kernel.errors import Conflict


class State(StrEnum):
    """Where a purchase stands. Money that was received never rests in EXPIRED, CANCELLED or FAILED."""

    AWAITING_PAYMENT = "awaiting_payment"
    PAID = "paid"
    CLEARED = "cleared"
    SUBMITTING = "submitting"
    MINED = "mined"
    EXECUTED = "executed"
    HELD = "held"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Hold(StrEnum):
    """Why an operator (or a policy) must decide."""

    AMOUNT_MISMATCH = "amount_mismatch"
    NOT_COMPLIANT = "not_compliant"
    SANCTIONS = "sanctions"
    VELOCITY = "velocity"
    LATE_PAYMENT = "late_payment"
    CHAIN_REFUSED = "chain_refused"
    REFUND_FAILED = "refund_failed"
    OPERATOR = "operator"
    NOT_IN_BOOKS = "not_in_books"


class DeliveryState(StrEnum):
    """Where a delivery stands with its chain. An order that the chain released unused is waiting again."""

    WAITING = "waiting"
    SUBMITTING = "submitting"
    MINED = "mined"
    EXECUTED = "executed"


S = State
# Late or out-of-order news never moves a state back; the moves that look backwards are new facts: a reorg
# (mined -> submitting), a released slot or an expired clearance (-> paid), an operator's decision (held -> paid).
ALLOWED: dict[State, frozenset[State]] = {
    S.AWAITING_PAYMENT: frozenset({S.PAID, S.HELD, S.EXPIRED, S.CANCELLED, S.FAILED}),
    S.PAID: frozenset({S.CLEARED, S.HELD, S.REFUNDING}),
    S.CLEARED: frozenset({S.SUBMITTING, S.PAID, S.HELD}),
    S.SUBMITTING: frozenset({S.MINED, S.EXECUTED, S.PAID, S.HELD}),
    S.MINED: frozenset({S.EXECUTED, S.SUBMITTING, S.PAID, S.HELD}),
    S.HELD: frozenset({S.PAID, S.REFUNDING, S.HELD}),
    S.REFUNDING: frozenset({S.REFUNDED, S.HELD}),
    S.EXECUTED: frozenset(),
    S.REFUNDED: frozenset(),
    S.EXPIRED: frozenset({S.HELD}),
    S.CANCELLED: frozenset({S.HELD}),
    S.FAILED: frozenset({S.HELD}),
}
TERMINAL = frozenset({S.EXECUTED, S.REFUNDED, S.EXPIRED, S.CANCELLED, S.FAILED})
REFUNDABLE = frozenset({S.PAID, S.HELD})
# Holding money that is neither minted nor returned.
PENDING_MONEY = frozenset({S.PAID, S.CLEARED, S.SUBMITTING, S.MINED, S.HELD, S.REFUNDING})

_PUBLIC = {
    S.EXECUTED: "executed",
    S.REFUNDED: "refunded",
    S.EXPIRED: "failed",
    S.CANCELLED: "failed",
    S.FAILED: "failed",
}


def public_status(state: State | str) -> str:
    """Return the API's word: pending, executed, refunded or failed."""
    return _PUBLIC.get(State(state), "pending")


def require_move(current: State | str, target: State) -> None:
    """Raise Conflict when the move is not in the table."""
    if target not in ALLOWED[State(current)]:
        raise Conflict("wrong_state", f"an intent that is {State(current).value} cannot become {target.value}")


def after_deliveries(states: Collection[DeliveryState | str]) -> State | None:
    """Return what the deliveries make of their purchase: as far as the one that is furthest behind.

    None while one of them waits for an order: then the purchase itself says what is to be done about it.
    """
    known = {DeliveryState(state) for state in states}
    if DeliveryState.WAITING in known:
        return None
    if DeliveryState.SUBMITTING in known:
        return S.SUBMITTING
    return S.MINED if DeliveryState.MINED in known else S.EXECUTED


def awaits_execution(
    current: State | str, delivery: DeliveryState | str, deliveries: Collection[DeliveryState | str]
) -> bool:
    """Return whether a delivery's execution is expected. Anything else means that the database was restored or edited.

    A purchase that was sent back for one of its `deliveries` still expects those under way.
    """
    if DeliveryState(delivery) is DeliveryState.WAITING:
        return False
    state = State(current)
    if state in (S.PAID, S.CLEARED, S.HELD):
        return DeliveryState.WAITING in {DeliveryState(other) for other in deliveries}
    return state in (S.SUBMITTING, S.MINED, S.EXECUTED)


def after_payment(
    current: State | str, *, expected_minor: int, paid_before_minor: int, paid_minor: int
) -> tuple[State, Hold | None]:
    """Return what a credited payment of `paid_minor` makes of a purchase that expects `expected_minor` in all.

    An exact sum pays it (a top-up completes a hold for too little); any other sum holds it; money for a purchase that
    had ended holds it too, so that a person decides between minting and returning.
    """
    state = State(current)
    if state in (S.EXPIRED, S.CANCELLED, S.FAILED):
        return S.HELD, Hold.LATE_PAYMENT
    if paid_before_minor + paid_minor == expected_minor:
        return S.PAID, None
    return S.HELD, Hold.AMOUNT_MISMATCH


def takes_payment(current: State | str, hold: Hold | str | None) -> bool:
    """Return whether a payment belongs to the purchase; otherwise it is surplus and goes back."""
    state = State(current)
    if state is S.HELD:
        return hold in (Hold.AMOUNT_MISMATCH, Hold.NOT_IN_BOOKS)
    return state in (S.AWAITING_PAYMENT, S.EXPIRED, S.CANCELLED, S.FAILED)
