"""Which orders get a nonce: the first that can be paid for, whatever stands before them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fiatrails.chains.core.clearance import Clearance
from fiatrails.chains.core.holds import HoldReason, reason_of
from fiatrails.chains.evm.orders import MintOrder
from fiatrails.chains.evm.submitter import reservation
from fiatrails.chains.evm.submitter.funds import Budgets, CoinStanding
from fiatrails.chains.evm.submitter.queries import HOLD_CODES
from fiatrails.chains.evm.submitter.reservation import _assign, _LaneCapacity

T = 10**18
AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def three_to_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    evm = SimpleNamespace(batch_size=3, in_flight=8)
    monkeypatch.setattr(reservation, "config", lambda: SimpleNamespace(profile=SimpleNamespace(evm=evm)))


def order(name: str, tokens: int, country: str = "KES", *, alone: bool = False) -> MintOrder:
    return MintOrder(name, "0x" + "aa" * 20, tokens * T, country, "0x" + "00" * 32, cast(Clearance, None), alone)


def lane(number: int, *, free: int = 8) -> _LaneCapacity:
    return _LaneCapacity(number, f"0x{number:040x}", 10, 0, free, [])


def standing(country: str, tokens: int, **changes: Any) -> CoinStanding:
    whole = CoinStanding(country, "0xfe", True, "0xe5", "0xc0", tokens * T, 2**200, 7, AT, "")
    return replace(whole, **changes)


def assigned(lanes: list[_LaneCapacity], orders: list[MintOrder], *known: CoinStanding) -> tuple[list[Any], list[str]]:
    batches, unpaid = _assign(lanes, orders, Budgets(known))
    return [(each.lane.lane_id, [one.intent_id for one in each.orders]) for each in batches], list(unpaid)


def test_an_empty_coin_of_one_country_stops_no_other_country() -> None:
    orders = [order("k1", 1), order("t1", 1, "TZS"), order("k2", 1), order("t2", 1, "TZS")]
    batches, unpaid = assigned([lane(1)], orders, standing("KES", 0), standing("TZS", 5))
    assert (batches, unpaid) == ([(1, ["t1", "t2"])], ["k1", "k2"])


def test_a_paused_country_gets_nothing_whatever_it_holds() -> None:
    paused = standing("KES", 9, held="contracts_paused: the escrow")
    assert assigned([lane(1)], [order("k1", 1), order("t1", 1, "TZS")], paused) == ([(1, ["t1"])], ["k1"])


def test_the_sum_of_what_is_taken_stays_within_the_figures() -> None:
    orders = [order("a", 4), order("b", 7), order("c", 5), order("d", 2), order("e", 1)]
    assert assigned([lane(1)], orders, standing("KES", 10)) == ([(1, ["a", "c", "e"])], ["b", "d"])


def test_without_figures_nothing_is_held_back() -> None:
    assert assigned([lane(1)], [order("a", 10**9)]) == ([(1, ["a"])], [])


def test_without_a_treasury_each_order_goes_to_a_lane_whose_executor_can_pay() -> None:
    poor, rich = lane(1), lane(2)
    known = [
        standing("KES", 2, payer=poor.address, is_treasury=False),
        standing("KES", 9, payer=rich.address, is_treasury=False),
    ]
    batches, unpaid = assigned([poor, rich], [order("big", 8), order("small", 2), order("none", 5)], *known)
    assert (sorted(batches), unpaid) == ([(1, ["small"]), (2, ["big"])], ["none"])


def test_what_finds_no_slot_is_not_called_unpaid() -> None:
    orders = [order("a", 1, alone=True), order("b", 1, alone=True)]
    assert assigned([lane(1, free=1)], orders, standing("KES", 5)) == ([(1, ["a"])], [])
    assert assigned([], orders, standing("KES", 0)) == ([], [])


def test_batches_are_of_one_country_and_full_before_the_next_begins() -> None:
    orders = [order(f"k{n}", 1) for n in range(4)] + [order("t", 1, "TZS"), order("alone", 1, alone=True)]
    batches, _ = assigned([lane(1)], orders)
    assert [names for _, names in batches] == [["k0", "k1", "k2"], ["k3"], ["t"], ["alone"]]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("fee_cap: dear", HoldReason.FEE_CAP),
        ("no_funds: nonce 3", HoldReason.FEE_MONEY),
        ("nonce_gap: the chain waits", HoldReason.SEQUENCE),
        ("mode: degraded", HoldReason.MODE),
        ("rpc_no_answer: no endpoint (x wrong_chain)", HoldReason.WRONG_CHAIN),
        ("rpc_no_answer: no endpoint", HoldReason.RPC),
        ("keystore_locked: it does not open", HoldReason.NO_SIGNER),
        ("stablecoin_currency: a dollar", HoldReason.STABLECOIN),
        ("SystemPaused", HoldReason.PAUSED),
        ("something nobody foresaw", HoldReason.OTHER),
    ],
)
def test_every_text_has_a_reason_of_the_closed_set(words: str, reason: HoldReason) -> None:
    assert reason_of(words, HOLD_CODES) is reason


def test_vacant_nonces_are_used_before_new_ones() -> None:
    made: Callable[[int], list[int]] = _LaneCapacity(1, "0x", 10, 0, 8, [4, 7]).nonces
    assert [made(count) for count in (1, 2, 4)] == [[4], [4, 7], [4, 7, 10, 11]]
