"""With three endpoints, finality and absence are asked of two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fiatrails.chains.evm.pool import EvmPool
from tests.integration.chains.conftest import Rail
from tests.integration.chains.test_unsure_sends import Line, faulty_line


@pytest.fixture
def three_lines(rail: Rail) -> Iterator[list[Line]]:
    """Three endpoints, all of them the same node behind lines of their own."""
    with ExitStack() as stack:
        lines = [stack.enter_context(faulty_line(rail, seed=str(number))) for number in range(3)]
        stack.callback(setattr, rail, "pool", rail.pool)
        rail.pool = EvmPool([line.url for line in lines], timeout_s=3)
        stack.callback(rail.pool.close)
        yield lines


def test_one_endpoint_that_is_away_changes_nothing(rail: Rail, three_lines: list[Line]) -> None:
    three_lines[0].faults(down=True)
    accepted = rail.reserve([rail.order(1)])
    rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}


def test_one_endpoint_alone_makes_nothing_final(rail: Rail, three_lines: list[Line]) -> None:
    accepted = rail.reserve([rail.order(1)])
    rail.tick()
    three_lines[1].faults(down=True)
    three_lines[2].faults(down=True)
    for _ in range(5):
        rail.step()
    assert rail.states() == {accepted[0]: "mined"}
    three_lines[2].faults()
    rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}


def test_two_endpoints_that_lag_hold_finality_back(rail: Rail, three_lines: list[Line]) -> None:
    accepted = rail.reserve([rail.order(1)])
    rail.tick()
    for line in three_lines[1:]:
        line.faults(stale_head_by=50)
    for _ in range(5):
        rail.step()
    assert rail.states() == {accepted[0]: "mined"}
    for line in three_lines[1:]:
        line.faults()
    rail.finish()


def test_one_witness_is_not_enough_for_a_usurped_nonce(rail: Rail, three_lines: list[Line]) -> None:
    accepted = rail.reserve([rail.order(1)])
    rail.tick()
    rail.mine(4)
    hashes = rail.attempts()
    # Two of three deny the receipt that the third would show.
    for line in three_lines[:2]:
        line.faults(lying_receipt={"hashes": hashes})
    report = rail.tick()
    assert (report.usurped, report.released) == (0, 0)
    for line in three_lines[:2]:
        line.faults()
    rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}


def test_a_single_witness_concludes_nothing(rail: Rail, three_lines: list[Line]) -> None:
    accepted = rail.reserve([rail.order(1)])
    rail.tick()
    rail.mine(4)
    three_lines[0].faults(lying_receipt={"hashes": rail.attempts()})
    for line in three_lines[1:]:
        line.faults(healthy_but_500=["eth_getTransactionReceipt"])
    report = rail.tick()
    assert (report.usurped, report.final) == (0, 0)
    for line in three_lines:
        line.faults()
    rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}
