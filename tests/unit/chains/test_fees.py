"""What is offered first, what a replacement must offer, and where it stops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.chains.evm.submitter.fees import FeePolicy, Fees, Market, first_offer, is_priced_out, market, replacement

GWEI = 10**9
wei = st.integers(min_value=0, max_value=10**13)
markets = st.builds(Market, base_fee=wei, tip=wei)
policies = st.builds(FeePolicy, cap=st.integers(1, 10**13), min_tip=wei)


def test_the_last_base_fee_is_that_of_the_next_block_and_the_tip_the_median_paid() -> None:
    history = {"baseFeePerGas": ["0x1", "0x2", "0x64"], "reward": [["0x0"], ["0xa"], ["0x1e"]]}
    assert market(history) == Market(base_fee=100, tip=20)


@pytest.mark.parametrize("history", [{}, {"baseFeePerGas": []}])
def test_a_history_without_base_fees_is_no_answer(history: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="baseFeePerGas"):
        market(history)


def test_a_first_offer_survives_five_full_blocks() -> None:
    offer = first_offer(Market(base_fee=10 * GWEI, tip=2 * GWEI), FeePolicy(cap=500 * GWEI, min_tip=GWEI))
    assert offer == Fees(max_fee=22 * GWEI, tip=2 * GWEI)


@given(markets, policies)
def test_an_offer_never_passes_the_cap_and_its_tip_never_the_offer(now: Market, policy: FeePolicy) -> None:
    offer = first_offer(now, policy)
    if offer is None:
        assert now.base_fee + policy.min_tip > policy.cap or now.base_fee > policy.cap
    else:
        assert offer.tip <= offer.max_fee <= policy.cap
        assert not is_priced_out(offer, now)


@given(st.builds(Fees, max_fee=wei, tip=wei), markets, policies)
def test_a_replacement_raises_both_by_an_eighth_or_is_none(previous: Fees, now: Market, policy: FeePolicy) -> None:
    raised = replacement(previous, now, policy)
    if raised is not None:
        assert raised.max_fee * 8 >= previous.max_fee * 9
        assert raised.tip * 8 >= previous.tip * 9
        assert raised.max_fee > previous.max_fee
        assert raised.tip > previous.tip
        assert raised.tip <= raised.max_fee <= policy.cap


def test_a_replacement_that_would_pass_the_cap_is_none() -> None:
    now, previous = Market(base_fee=1, tip=0), Fees(max_fee=90, tip=1)
    assert replacement(previous, now, FeePolicy(cap=100, min_tip=0)) is None
    assert replacement(previous, now, FeePolicy(cap=102, min_tip=0)) == Fees(max_fee=102, tip=2)


def test_a_replacement_follows_the_market_when_that_is_higher() -> None:
    now = Market(base_fee=100 * GWEI, tip=5 * GWEI)
    raised = replacement(Fees(max_fee=10 * GWEI, tip=GWEI), now, FeePolicy(cap=500 * GWEI, min_tip=GWEI))
    assert raised == Fees(max_fee=205 * GWEI, tip=5 * GWEI)
