"""What deliveries make of their purchase, in every combination of two."""

from __future__ import annotations

import itertools

import pytest

from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.references import parse_tx_ref
from fiatrails.purchases.deliveries import reference_text
from fiatrails.purchases.states import ALLOWED, DeliveryState, State, after_deliveries, awaits_execution

W, S, M, E = DeliveryState
_WORDS = {W: None, S: State.SUBMITTING, M: State.MINED, E: State.EXECUTED}


@pytest.mark.parametrize("pair", list(itertools.product(DeliveryState, repeat=2)))
def test_a_purchase_is_as_far_as_its_slowest_delivery(pair: tuple[DeliveryState, DeliveryState]) -> None:
    assert after_deliveries(pair) == _WORDS[min(pair, key=list(DeliveryState).index)]


@pytest.mark.parametrize("state", list(State))
def test_a_delivery_that_waits_is_never_expected_to_be_executed(state: State) -> None:
    assert not awaits_execution(state, W, [W])


@pytest.mark.parametrize("state", list(State))
def test_the_only_delivery_is_expected_while_its_purchase_is_on_the_way(state: State) -> None:
    expected = state in (State.SUBMITTING, State.MINED, State.EXECUTED)
    assert awaits_execution(state, S, [S]) is expected


@pytest.mark.parametrize("state", [State.REFUNDING, State.REFUNDED, State.CANCELLED, State.EXPIRED])
def test_nothing_is_expected_of_what_ended_otherwise(state: State) -> None:
    assert not awaits_execution(state, S, [S, W])


def test_the_word_for_all_deliveries_is_a_move_that_the_purchase_may_make() -> None:
    """From where the purchase is while a delivery is under way, wherever its deliveries get to."""
    for target in (State.MINED, State.EXECUTED):
        assert target in ALLOWED[State.SUBMITTING]
    assert ALLOWED[State.MINED] >= {State.SUBMITTING, State.EXECUTED}


def test_no_client_can_name_the_delivery_of_another() -> None:
    assert reference_text("TX-1", 0) == "TX-1"
    with pytest.raises(BadInput):
        parse_tx_ref(reference_text("TX-1", 1))
