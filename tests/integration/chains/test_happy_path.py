"""Orders become mints, once each, and their owner hears of it in order."""

from __future__ import annotations

import pytest
from django.db import transaction

from fiatrails.chains.core.chain import OutcomeKind
from fiatrails.chains.evm.submitter import outcomes
from tests.integration.chains.conftest import Rail


def test_a_batch_of_a_hundred_is_minted_by_one_transaction(rail: Rail) -> None:
    orders = [rail.order(number % 20) for number in range(100)]
    accepted = rail.reserve(orders)
    assert accepted == [order.intent_id for order in orders]
    rail.finish()
    assert set(rail.mints(accepted).values()) == {1}
    assert len(rail.attempts()) == 1
    assert set(rail.states().values()) == {"executed"}


@pytest.mark.usefixtures("on_live_chain")
def test_blocks_that_come_by_themselves_are_followed(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(number % 20) for number in range(250)])
    rail.finish()
    assert set(rail.mints(accepted).values()) == {1}
    assert len(rail.attempts()) == 3


def test_outcomes_are_told_once_and_mined_comes_first(rail: Rail) -> None:
    rail.reserve([rail.order(number) for number in range(3)])
    rail.finish()
    first, second = rail.take(), rail.take()
    assert [o.kind for o in first] == [OutcomeKind.MINED] * 3
    assert [o.kind for o in second] == [OutcomeKind.EXECUTED] * 3
    assert all(o.transaction and o.place for o in first + second)
    assert rail.take() == []


def test_outcomes_of_a_transaction_that_rolled_back_are_told_again(rail: Rail) -> None:
    rail.reserve([rail.order(1)])
    rail.finish()
    with transaction.atomic():
        assert len(outcomes.take(10, now=rail.clock.now())) == 1
        transaction.set_rollback(True)
    assert [kind for kind, _, _ in rail.take_all()] == ["mined", "executed"]


def test_nothing_is_final_before_its_block_is(rail: Rail) -> None:
    rail.reserve([rail.order(1)])
    rail.tick()
    rail.mine()
    rail.tick()
    assert set(rail.states().values()) == {"mined"}
    rail.mine()
    rail.tick()
    assert set(rail.states().values()) == {"mined"}
    rail.mine()
    rail.tick()
    assert set(rail.states().values()) == {"executed"}


def test_depth_decides_where_the_profile_says_so(rail: Rail, adjust_evm: object) -> None:
    adjust_evm(finality="depth", confirmations=4)  # type: ignore[operator]
    rail.reserve([rail.order(1)])
    rail.tick()
    rail.mine(4)
    rail.tick()
    assert set(rail.states().values()) == {"mined"}
    rail.mine()
    rail.tick()
    assert set(rail.states().values()) == {"executed"}


def test_an_idle_lane_asks_nobody(rail: Rail) -> None:
    rail.pool.close()
    assert rail.tick().status == "idle"


def test_what_is_final_takes_nothing_younger_along(rail: Rail) -> None:
    first = rail.reserve([rail.order(1)])
    rail.tick()
    rail.mine()
    second = rail.reserve([rail.order(2)])
    rail.tick()
    rail.mine(2)
    rail.tick()
    assert rail.states() == {first[0]: "executed", second[0]: "mined"}
    rail.finish()
