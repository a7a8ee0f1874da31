"""Money at the edges: what is read is what is written, and nothing is rounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.kernel.currencies import CURRENCIES
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import (
    MAX_MINOR,
    Money,
    format_minor,
    parse_money,
    parse_token_amount,
    token_price,
)

currencies = st.sampled_from(sorted(CURRENCIES))


@given(currency=currencies, minor=st.integers(0, MAX_MINOR))
def test_an_amount_survives_being_written_and_read(currency: str, minor: int) -> None:
    assert parse_money(format_minor(minor, currency), currency) == Money(currency, minor)


@given(text=st.text(max_size=40), currency=currencies)
def test_any_text_is_an_amount_or_bad_input(text: str, currency: str) -> None:
    try:
        money = parse_money(text, currency)
    except BadInput:
        return
    assert 0 <= money.minor <= MAX_MINOR


@pytest.mark.parametrize(
    "text", ["10.005", "1e3", "-1", "+1", " 1", "1 ", "01", "1,000", "١٠", ".5", "5.", "", "1_0", "NaN"]
)
def test_an_odd_or_too_precise_amount_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_money(text, "KES")


def test_zeros_beyond_the_minor_unit_are_harmless() -> None:
    assert parse_money("10.500", "KES") == Money("KES", 1050)


@given(kes_cents=st.integers(1, MAX_MINOR))
def test_the_price_of_whole_cents_is_exact(kes_cents: int) -> None:
    assert token_price(kes_cents * 10**16, "KES") == Money("KES", kes_cents)


@given(amount=st.integers(1, 10**30))
def test_an_amount_that_no_payer_can_pay_exactly_is_refused(amount: int) -> None:
    if amount % 10**16:
        with pytest.raises(BadInput):
            token_price(amount, "KES")


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "0x1", "", "1" * 79, str(2**256), "١"])
def test_a_token_amount_outside_uint256_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_token_amount(text)


def test_the_largest_uint256_is_a_token_amount() -> None:
    assert parse_token_amount(str(2**256 - 1)) == 2**256 - 1


def test_a_currency_nobody_knows_is_refused() -> None:
    with pytest.raises(BadInput):
        Money("XXX", 1)
