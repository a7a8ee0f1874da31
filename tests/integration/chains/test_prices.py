"""Fees: a lane that no block takes pays more, lowest nonce first, and never above the cap."""

from __future__ import annotations

from collections.abc import Callable

from tests.integration.chains.conftest import Rail

GWEI = 10**9


def _dear_block(rail: Rail, base_fee: int) -> None:
    rail.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
    rail.mine()


def test_a_stuck_nonce_is_replaced_for_more_and_minted_once(rail: Rail, adjust_evm: Callable[..., None]) -> None:
    adjust_evm(bump_after_blocks=2)
    accepted = rail.reserve([rail.order(number) for number in range(3)])
    rail.tick()
    (first_fee,) = rail.sql("SELECT max_fee FROM evm_attempt")[0]
    for _ in range(2):
        _dear_block(rail, first_fee * 2)
        assert rail.tick().included == 0
    rows = rail.sql("SELECT max_fee, tip, state FROM evm_attempt ORDER BY id")
    assert len(rows) == 2
    assert rows[1][0] >= first_fee * 1.125
    assert rows[1][1] >= rows[0][1] * 1.125
    rail.finish()
    assert set(rail.mints(accepted).values()) == {1}
    states = rail.sql("SELECT state FROM evm_attempt ORDER BY id")
    assert states == [("superseded",), ("included",)]
    _settle_down(rail)


def test_the_earlier_attempt_may_be_the_one_that_is_mined(rail: Rail, adjust_evm: Callable[..., None]) -> None:
    adjust_evm(bump_after_blocks=2)
    accepted = rail.reserve([rail.order(1)])
    rail.tick()
    (first_fee,) = rail.sql("SELECT max_fee FROM evm_attempt")[0]
    for _ in range(2):
        _dear_block(rail, first_fee * 2)
        rail.tick()
    first = rail.sql("SELECT hash, raw FROM evm_attempt ORDER BY id")[0]
    rail.rpc("anvil_dropAllTransactions")
    rail.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    rail.rpc("eth_sendRawTransaction", "0x" + bytes(first[1]).hex())
    rail.mine()
    rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}
    assert rail.sql("SELECT tx_hash FROM evm_nonce_slot") == [(first[0],)]
    assert rail.sql("SELECT state FROM evm_attempt ORDER BY id") == [("included",), ("superseded",)]
    _settle_down(rail)


def test_at_the_cap_the_lane_holds_and_says_so(rail: Rail, adjust_evm: Callable[..., None]) -> None:
    adjust_evm(bump_after_blocks=2)
    accepted = rail.reserve([rail.order(1)])
    rail.tick()
    (first_fee,) = rail.sql("SELECT max_fee FROM evm_attempt")[0]
    adjust_evm(fee_cap_wei=first_fee + 1)
    for _ in range(2):
        _dear_block(rail, first_fee * 2)
        report = rail.tick()
    assert report.held.startswith("fee_cap")
    assert len(rail.attempts()) == 1
    adjust_evm(fee_cap_wei=500 * GWEI)
    rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}
    _settle_down(rail)


def test_nothing_is_signed_while_a_block_costs_more_than_the_cap(rail: Rail, adjust_evm: Callable[..., None]) -> None:
    adjust_evm(fee_cap_wei=1000)
    accepted = rail.reserve([rail.order(1)])
    assert rail.tick().held.startswith("fee_cap")
    assert rail.attempts() == []
    adjust_evm(fee_cap_wei=500 * GWEI)
    rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}


def test_a_queue_that_moves_is_not_bumped(rail: Rail, adjust_evm: Callable[..., None]) -> None:
    adjust_evm(bump_after_blocks=2, batch_size=100)
    rail.reserve([rail.order(number % 20) for number in range(800)])
    rail.finish(within_s=60)
    assert len(rail.attempts()) == 8


def _settle_down(rail: Rail) -> None:
    """The chain is shared: back to a cheap block."""
    rail.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    rail.mine()
