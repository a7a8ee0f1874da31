"""Who has to wait does so outside the lane: coins that are short, paused contracts, a chain without finality."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from eth_utils.crypto import keccak

from fiatrails.chains.core.chain import Reservation
from fiatrails.chains.core.holds import HoldReason
from fiatrails.chains.evm.chain import EvmChain
from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.chains.evm.orders import MintOrder
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.chains.evm.signer import Signers
from fiatrails.chains.evm.submitter import lanes
from fiatrails.chains.evm.submitter.reservation import reserve
from tests.integration.chains.conftest import KEY, TOKEN, Rail

_COIN = load("USDStablecoin")
_ALLOWED = 2**200


class Treasury:
    """Whoever pays for mints on the test's chain, and how much of its coins the escrow may take."""

    def __init__(self, rail: Rail) -> None:
        self.rail = rail
        self.coin = rail.contracts.country("KES").stablecoin
        answer = rail.rpc("eth_call", {"to": rail.escrow, "data": "0x" + keccak(text="treasury()")[:4].hex()}, "latest")
        self.address = "0x" + answer[-40:]

    def allow(self, amount: int) -> None:
        """Lets the escrow take so many base units from now on, and lets the worker read it."""
        self.rail.send_as(self.address, self.coin, _COIN.function("approve").encode(self.rail.escrow, amount))
        self.rail.mine()
        self.look()

    def look(self) -> None:
        """A pass of the worker, some seconds later."""
        self.rail.clock.advance(3)
        lanes.run_lanes(clock=self.rail.clock, pool=self.rail.pool, signers=self.rail.signers, holder=self.rail.holder)


@pytest.fixture
def treasury(rail: Rail) -> Iterator[Treasury]:
    found = Treasury(rail)
    before = rail.rpc("evm_snapshot")
    found.look()
    yield found
    assert rail.rpc("evm_revert", before)


def _ordered(rail: Rail, orders: Sequence[MintOrder]) -> Reservation:
    from django.db import transaction

    with transaction.atomic():
        return reserve(orders, now=rail.clock.now(), clearance_key=KEY)


def _reasons(rail: Rail) -> set[tuple[str, HoldReason]]:
    return {(hold.address, hold.reason) for hold in EvmChain(31337).holds(now=rail.clock.now())}


def test_what_cannot_be_paid_is_passed_over_with_both_figures_and_the_others_go_on(
    rail: Rail, treasury: Treasury
) -> None:
    treasury.allow(10 * TOKEN)
    orders = [rail.order(1, amount=4 * TOKEN), rail.order(2, amount=7 * TOKEN), rail.order(3, amount=6 * TOKEN)]
    made = _ordered(rail, orders)
    assert made.accepted == [orders[0].intent_id, orders[2].intent_id]
    said = made.unpaid[orders[1].intent_id]
    assert said.startswith("allowance_short: the treasury")
    assert "take 10.00 (4.00 of it for orders in flight), and this mint needs 7.00; approve with its key" in said
    rail.finish()
    assert list(rail.mints([order.intent_id for order in orders]).values()) == [1, 0, 1]


def test_what_is_mined_and_not_read_yet_is_not_spent_twice(rail: Rail, treasury: Treasury) -> None:
    treasury.allow(10 * TOKEN)
    first, second = rail.order(1, amount=8 * TOKEN), rail.order(2, amount=8 * TOKEN)
    assert _ordered(rail, [first]).accepted
    rail.tick()
    rail.mine()
    rail.tick()  # included now, while the figures are those from before
    assert list(_ordered(rail, [second]).unpaid) == [second.intent_id]
    rail.finish()


def test_a_passed_over_order_is_taken_first_when_the_money_is_there(rail: Rail, treasury: Treasury) -> None:
    treasury.allow(10 * TOKEN)
    big, small = rail.order(1, amount=30 * TOKEN), rail.order(2)
    assert list(_ordered(rail, [big]).unpaid) == [big.intent_id]
    assert EvmChain(31337).payable(now=rail.clock.now()) == {"KES": 10 * TOKEN}
    treasury.allow(30 * TOKEN)
    made = _ordered(rail, [big, small])
    assert (made.accepted, list(made.unpaid)) == ([big.intent_id], [small.intent_id])
    rail.finish()
    assert rail.mints([big.intent_id]) == {big.intent_id: 1}


def test_coins_that_vanish_after_the_nonce_was_taken_stop_nobody_behind(rail: Rail, treasury: Treasury) -> None:
    first_nonce = rail.chain_nonce()
    big, small = rail.order(1, amount=9 * TOKEN, alone=True), rail.order(2)
    rail.reserve([big])
    rail.reserve([small])
    treasury.rail.send_as(treasury.address, treasury.coin, _COIN.function("approve").encode(rail.escrow, TOKEN))
    rail.mine()
    rail.clock.advance(3)
    rail.finish()
    assert rail.mints([big.intent_id, small.intent_id]) == {big.intent_id: 0, small.intent_id: 1}
    assert rail.slots() == [
        (first_nonce, "settle", "final", "success"),
        (first_nonce + 1, "vacant", "reserved", ""),
    ]
    assert ("released", "allowance_short", big.intent_id) in rail.take_all()


def test_an_empty_treasury_is_a_hold_of_its_country_with_a_reason_and_a_beginning(
    rail: Rail, treasury: Treasury
) -> None:
    treasury.allow(0)
    (hold,) = EvmChain(31337).holds(now=rail.clock.now())
    begun = hold.since
    assert (hold.address, hold.role, hold.reason) == ("KES", "country", HoldReason.ALLOWANCE)
    assert "so nothing can be minted; approve with its key" in hold.detail
    treasury.look()
    assert EvmChain(31337).holds(now=rail.clock.now())[0].since == begun
    treasury.allow(_ALLOWED)
    assert EvmChain(31337).holds(now=rail.clock.now()) == []


@pytest.mark.parametrize("part", ["escrow", "token", "manager"])
def test_whichever_contract_is_paused_is_named_with_the_call_that_starts_it_again(
    rail: Rail, treasury: Treasury, part: str
) -> None:
    contracts = rail.contracts
    address = {
        "escrow": rail.escrow,
        "token": contracts.country("KES").token,
        "manager": contracts.manager,
    }[part]
    rail.send_as("0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266", address, bytes(keccak(text="pause()")[:4]))
    rail.mine()
    treasury.look()
    (hold,) = EvmChain(31337).holds(now=rail.clock.now())
    assert hold.reason is HoldReason.PAUSED
    assert f"{address} of KES is paused" in hold.detail
    assert f"cast send {address} 'unpause()'" in hold.detail


def test_a_vacant_slot_goes_to_the_next_orders_before_any_new_nonce(rail: Rail, treasury: Treasury) -> None:
    stale = [rail.order(number, clear_for_s=5, alone=True) for number in range(4)]
    rail.reserve(stale)
    rail.clock.advance(6)
    rail.tick()
    nonces = [slot[0] for slot in rail.slots()]
    assert [slot[1] for slot in rail.slots()] == ["vacant"] * 4
    orders = [rail.order(number, alone=True) for number in range(6)]
    assert len(rail.reserve(orders)) == 6
    assert [slot[:2] for slot in rail.slots()] == [(nonces[0] + number, "settle") for number in range(6)]
    rail.finish()
    assert set(rail.mints([order.intent_id for order in orders]).values()) == {1}


def test_a_long_pause_burns_no_nonce_and_rewrites_nothing(
    rail: Rail, treasury: Treasury, adjust_evm: Callable[..., None]
) -> None:
    before = rail.chain_nonce()
    adjust_evm(fee_cap_wei=1, min_tip_wei=1)
    rail.reserve([rail.order(number, clear_for_s=60, alone=True) for number in range(8)])
    rail.tick()
    versions = (
        "SELECT id, xmin::text FROM evm_nonce_slot UNION ALL SELECT id, xmin::text FROM evm_slot_intent ORDER BY 1"
    )
    written = rail.sql(versions)
    for _ in range(20):
        rail.clock.advance(30)
        assert rail.tick().held.startswith("fee_cap")
    assert rail.sql(versions) == written
    adjust_evm(fee_cap_wei=500 * 10**9, min_tip_wei=10**9)
    rail.tick()
    assert {code for _, code, _ in rail.take_all()} == {"clearance_expired"}
    assert (rail.attempts(), rail.chain_nonce()) == ([], before)


def test_a_lane_that_holds_takes_no_orders_until_it_goes_on(
    rail: Rail, treasury: Treasury, adjust_evm: Callable[..., None]
) -> None:
    adjust_evm(fee_cap_wei=1, min_tip_wei=1)
    first, second = rail.order(1), rail.order(2)
    rail.reserve([first])
    rail.tick()
    assert _reasons(rail) == {(rail.executor, HoldReason.FEE_CAP)}
    assert (EvmChain(31337).room(now=rail.clock.now()), rail.reserve([second])) == (0, [])
    adjust_evm(fee_cap_wei=500 * 10**9, min_tip_wei=10**9)
    rail.tick()
    assert (_reasons(rail), rail.reserve([second])) == (set(), [second.intent_id])
    rail.finish()


def test_a_hold_ends_when_nothing_is_left_that_waits(rail: Rail, treasury: Treasury) -> None:
    rail.sql("UPDATE evm_lane SET held = 'fee_cap: dear', held_since = now() WHERE id = %s", rail.lane_id)
    rail.tick()
    assert _reasons(rail) == set()


def test_a_lane_with_work_and_without_a_worker_that_holds_its_key_says_so(rail: Rail, treasury: Treasury) -> None:
    rail.reserve([rail.order(1)])
    rail.clock.advance(121)
    assert _reasons(rail) == {(rail.executor, HoldReason.NO_SIGNER)}
    rail.signers = Signers(())
    assert rail.tick().status == "no_signer"
    assert "start one with its keystore" in EvmChain(31337).holds(now=rail.clock.now())[0].detail


def test_a_lease_from_a_clock_that_is_ahead_is_said(rail: Rail, treasury: Treasury) -> None:
    rail.reserve([rail.order(1)])
    rail.sql("UPDATE evm_lane SET holder = 'w', lease_until = %s WHERE id = %s", _in(rail, 629), rail.lane_id)
    assert _reasons(rail) == {(rail.executor, HoldReason.CLOCK)}


def _in(rail: Rail, seconds: float) -> Any:
    from datetime import timedelta

    return rail.clock.now() + timedelta(seconds=seconds)


class _WithoutFinality(EvmPool):
    """A node that knows no tag `finalized`."""

    def batch(self, calls: Any) -> list[Any]:
        from fiatrails.chains.core.rpc import RpcError

        answers = super().batch(calls)
        for number, asked in enumerate(calls):
            if asked.method == "eth_getBlockByNumber" and asked.params[0] == "finalized":
                answers[number] = RpcError(-32602, "invalid block tag: finalized")
        return answers


def test_a_chain_without_finality_is_said_and_mints_nothing_until_the_profile_names_a_depth(
    rail: Rail, treasury: Treasury, adjust_evm: Callable[..., None]
) -> None:
    with contextlib.closing(_WithoutFinality([rail.chain.anvil.url], timeout_s=3)) as rail.pool:
        order = rail.order(1)
        rail.reserve([order])
        held = rail.tick().held
        assert held.startswith(
            "finality: the node does not answer for the tag `finalized` (invalid block tag: finalized)"
        )
        assert "set evm.finality to `depth`" in held
        assert (rail.attempts(), _reasons(rail)) == ([], {(rail.executor, HoldReason.FINALITY)})
        adjust_evm(finality="depth", confirmations=2)
        rail.finish()
        assert (rail.mints([order.intent_id]), _reasons(rail)) == ({order.intent_id: 1}, set())


def test_a_base_fee_beyond_all_measure_is_a_hold_that_says_it(
    rail: Rail, treasury: Treasury, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fiatrails.chains.evm.submitter import tick as ticks
    from fiatrails.chains.evm.submitter.fees import Market

    logged: list[Any] = []
    monkeypatch.setattr("fiatrails.chains.evm.submitter.lease._log.warning", lambda *a, **k: logged.append((a, k)))
    rail.reserve([rail.order(1)])
    with monkeypatch.context() as dear:
        dear.setattr(ticks, "market", lambda history: Market(base_fee=2**120, tip=1))
        rail.tick()
        rail.tick()
    (hold,) = EvmChain(31337).holds(now=rail.clock.now())
    assert (hold.reason, str(2**120) in hold.detail) == (HoldReason.FEE_CAP, True)
    assert [words for words, _ in logged] == [("chain.lane_held",)]
    rail.finish()
