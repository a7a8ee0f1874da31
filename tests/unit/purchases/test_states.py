"""The state table: what may become what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.kernel.errors import Conflict
from fiatrails.purchases.states import (
    ALLOWED,
    PENDING_MONEY,
    REFUNDABLE,
    TERMINAL,
    Hold,
    State,
    after_payment,
    public_status,
    require_move,
    takes_payment,
)


def test_every_state_has_its_row() -> None:
    assert set(ALLOWED) == set(State)


@pytest.mark.parametrize("state", [State.EXECUTED, State.REFUNDED])
def test_what_is_settled_never_moves_again(state: State) -> None:
    assert ALLOWED[state] == frozenset()


def test_nothing_becomes_executed_without_having_been_submitted() -> None:
    assert {s for s, targets in ALLOWED.items() if State.EXECUTED in targets} == {State.SUBMITTING, State.MINED}


def test_nothing_is_submitted_without_clearance() -> None:
    assert {s for s, targets in ALLOWED.items() if State.SUBMITTING in targets} == {State.CLEARED, State.MINED}


def test_nothing_that_may_be_minting_can_be_refunded() -> None:
    assert {s for s, targets in ALLOWED.items() if State.REFUNDING in targets} == REFUNDABLE
    assert not REFUNDABLE & {State.SUBMITTING, State.MINED, State.EXECUTED, State.CLEARED}


def test_money_never_ends_where_it_is_forgotten() -> None:
    """From a state that holds money only mint, refund or another such state can be reached."""
    for state in PENDING_MONEY:
        assert ALLOWED[state] <= PENDING_MONEY | {State.EXECUTED, State.REFUNDED}


@given(current=st.sampled_from(State), target=st.sampled_from(State))
def test_a_move_outside_the_table_is_refused(current: State, target: State) -> None:
    if target in ALLOWED[current]:
        require_move(current, target)
    else:
        with pytest.raises(Conflict):
            require_move(current, target)


@given(expected=st.integers(1, 10**9), before=st.integers(0, 10**9), paid=st.integers(1, 10**9))
def test_only_the_exact_sum_pays(expected: int, before: int, paid: int) -> None:
    state, hold = after_payment(
        State.AWAITING_PAYMENT, expected_minor=expected, paid_before_minor=before, paid_minor=paid
    )
    if before + paid == expected:
        assert (state, hold) == (State.PAID, None)
    else:
        assert (state, hold) == (State.HELD, Hold.AMOUNT_MISMATCH)


@pytest.mark.parametrize("state", [State.EXPIRED, State.CANCELLED, State.FAILED])
def test_money_for_an_ended_purchase_waits_for_a_person(state: State) -> None:
    assert after_payment(state, expected_minor=5, paid_before_minor=0, paid_minor=5) == (State.HELD, Hold.LATE_PAYMENT)


@pytest.mark.parametrize("state", sorted(PENDING_MONEY | {State.EXECUTED, State.REFUNDED}))
def test_a_purchase_that_has_its_money_takes_no_more(state: State) -> None:
    assert takes_payment(state, "") is False


def test_a_purchase_held_for_its_amount_takes_a_top_up() -> None:
    assert takes_payment(State.HELD, Hold.AMOUNT_MISMATCH)
    assert not takes_payment(State.HELD, Hold.NOT_COMPLIANT)


def test_the_public_status_is_one_of_four() -> None:
    assert {public_status(s) for s in State} == {"pending", "executed", "refunded", "failed"}
    assert {s for s in State if public_status(s) != "pending"} == TERMINAL
