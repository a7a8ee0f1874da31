"""What a token costs, and that it never costs less than it is redeemed for."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fiatrails.chains.core.chain import FeedAnswer
from fiatrails.kernel.errors import BadInput, Unavailable
from fiatrails.kernel.money import Money
from fiatrails.kernel.profile import CountryProfile, FeedProfile
from fiatrails.purchases.pricing import Rate, feed_rate, fixed_rate, par_rate, price_of, require_fair, require_near

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
TOKEN = 10**18
FEED = {
    "address": "0x" + "0f" * 20,
    "maxAgeS": 3_600,
    "minMinorUnitsPerToken": 10_000,
    "maxMinorUnitsPerToken": 20_000,
    "maxDeviationBps": 500,
}


def country(**given_fields: Any) -> CountryProfile:
    return CountryProfile.model_validate({"countryCode": "KES", "currency": "KES", **given_fields})


def dollar_backed(**feed: Any) -> CountryProfile:
    return country(stablecoin={"currency": "USD"}, price={"feed": {**FEED, **feed}})


def feed_of(of: CountryProfile) -> FeedProfile:
    assert of.price is not None
    assert of.price.feed is not None
    return of.price.feed


def answered(value: int = 13_500_000_000, *, decimals: int = 8, age_s: int = 60) -> FeedAnswer:
    return FeedAnswer(7, value, decimals, int(NOW.timestamp()) - age_s)


def test_a_shilling_token_behind_a_shilling_coin_costs_a_shilling() -> None:
    assert fixed_rate(country()) == par_rate(country())
    assert price_of(100 * TOKEN, country(), par_rate(country())) == Money("KES", 10_000)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"stablecoin": {"currency": "USD"}}, "redeemed for USD: give price"),
        ({"stablecoin": {"currency": "USD"}, "price": {"minorUnitsPerToken": 100}}, "give price.feed, or say"),
        ({"price": {"minorUnitsPerToken": 99}}, "would cost 99 minor units of KES and be redeemed for 100"),
        ({"price": {"feed": FEED}}, "for a coin of another currency"),
        ({"price": {}}, "either minorUnitsPerToken or feed"),
        ({"price": {"minorUnitsPerToken": 100, "feed": FEED}}, "either minorUnitsPerToken or feed"),
        ({"stablecoin": {"currency": "XXX"}}, "'XXX' is not supported"),
        ({"stablecoin": {"currency": "USD"}, "price": {"feed": {**FEED, "maxMinorUnitsPerToken": 9_999}}}, "exceed"),
    ],
)
def test_a_profile_where_a_token_is_redeemed_for_more_than_it_costs_is_refused(
    fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        country(**fields)


def test_a_fixed_price_for_a_coin_of_another_currency_must_be_called_unverified() -> None:
    backed = country(stablecoin={"currency": "USD"}, price={"minorUnitsPerToken": 13_500, "unverified": True})
    assert fixed_rate(backed) == Rate(Decimal(13_500), "fixed by the profile")


def test_a_feed_says_what_a_coin_costs_in_shillings() -> None:
    backed = dollar_backed()
    assert feed_rate(backed, feed_of(backed), answered(), now=NOW) == Decimal(13_500)


def test_an_inverted_feed_is_turned_round_and_rounded_up() -> None:
    backed = dollar_backed(inverted=True)
    # 0.0074 dollars for a shilling: 135.135135... shillings for a dollar.
    assert feed_rate(backed, feed_of(backed), answered(740_000), now=NOW) == Decimal("13513.513513513514")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (answered(0), "price_refused"),
        (answered(-1), "price_refused"),
        (FeedAnswer(7, 13_500_000_000, 8, 0), "price_refused"),
        (FeedAnswer(7, 13_500_000_000, 8, 2**255), "price_refused"),
        (FeedAnswer(7, 13_500_000_000, 255, int(NOW.timestamp())), "price_refused"),
        (answered(age_s=-301), "price_refused"),
        (answered(age_s=3_601), "price_stale"),
        (answered(9_999_999_999), "price_out_of_bounds"),
        (answered(20_000_000_001), "price_out_of_bounds"),
        (answered(2**255 - 1, decimals=0), "price_out_of_bounds"),
    ],
)
def test_an_answer_that_is_no_fresh_price_within_bounds_is_not_taken(answer: FeedAnswer, code: str) -> None:
    backed = dollar_backed()
    with pytest.raises(Unavailable) as refused:
        feed_rate(backed, feed_of(backed), answer, now=NOW)
    assert refused.value.code == code


def test_a_price_may_move_by_the_greatest_deviation_and_no_further() -> None:
    feed = feed_of(dollar_backed())
    require_near(Decimal(13_650), Decimal(13_000), feed)
    require_near(Decimal(12_350), Decimal(13_000), feed)
    for moved in ("13650.000000000001", "12349.999999999999"):
        with pytest.raises(Unavailable, match="fiatrails price accept"):
            require_near(Decimal(moved), Decimal(13_000), feed)


def test_a_million_tokens_for_one_shilling_is_refused_with_both_figures() -> None:
    with pytest.raises(BadInput, match=r"fiatAmount is 1\.00 KES, the price is 1000000\.00 KES") as refused:
        require_fair(Money("KES", 100), 1_000_000 * TOKEN, country(), par_rate(country()))
    assert refused.value.code == "price_out_of_range"


@pytest.mark.parametrize(("minor", "taken"), [(9_999, False), (10_000, True), (10_100, True), (10_101, False)])
def test_tolerance_never_goes_below_what_a_coin_of_the_same_currency_is_worth(minor: int, taken: bool) -> None:
    tolerant = country(priceToleranceBps=100)
    if taken:
        require_fair(Money("KES", minor), 100 * TOKEN, tolerant, par_rate(tolerant))
    else:
        with pytest.raises(BadInput):
            require_fair(Money("KES", minor), 100 * TOKEN, tolerant, par_rate(tolerant))


@pytest.mark.parametrize(("minor", "taken"), [(133_649, False), (133_650, True), (136_350, True), (136_351, False)])
def test_a_price_from_a_feed_is_tolerated_both_ways(minor: int, taken: bool) -> None:
    backed = country(stablecoin={"currency": "USD"}, price={"feed": FEED}, priceToleranceBps=100)
    rate = Rate(Decimal(13_500), "feed")
    if taken:
        require_fair(Money("KES", minor), 10 * TOKEN, backed, rate)
    else:
        with pytest.raises(BadInput):
            require_fair(Money("KES", minor), 10 * TOKEN, backed, rate)


@given(
    value=st.integers(1, 2**100),
    decimals=st.integers(0, 36),
    inverted=st.booleans(),
    amount=st.integers(1, 10**24),
)
def test_what_is_paid_is_never_less_than_what_the_feed_says_the_coin_is_worth(
    value: int, decimals: int, inverted: bool, amount: int
) -> None:
    bounds = {"minMinorUnitsPerToken": 1, "maxMinorUnitsPerToken": 10**9}
    backed = dollar_backed(inverted=inverted, **bounds)
    worth = Fraction(10**decimals, value) if inverted else Fraction(value, 10**decimals)
    try:
        rate = feed_rate(backed, feed_of(backed), answered(value, decimals=decimals), now=NOW)
    except Unavailable:
        # Rounded up, the rate may leave its bounds by the 12th decimal.
        assert not 1 <= worth * 100 <= 10**9 - 1
        return
    try:
        price = price_of(amount, backed, Rate(rate, "feed"))
    except BadInput:
        assert worth * 100 * amount / TOKEN > 10**15 - 1
        return
    exact = worth * 100 * amount / TOKEN
    # At most one minor unit, and the 12th decimal of the rate, more than it is worth.
    assert exact <= price.minor <= exact + 1 + Fraction(amount, TOKEN * 10**12)
