"""Amounts and phones as people type and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.cli.kit import amounts
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import MAX_UINT256


@pytest.mark.parametrize(
    ("text", "base_units"),
    [("1", 10**18), ("10.5", 105 * 10**17), ("0.000000000000000001", 1), (" 100 ", 100 * 10**18)],
)
def test_tokens_become_base_units(text: str, base_units: int) -> None:
    assert amounts.parse_tokens(text) == base_units


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "-1", "1e3", "1,000", "01", ".5", "1.", "0.0000000000000000001", "9" * 60]
)
def test_what_is_no_amount_is_refused_and_never_rounded(text: str) -> None:
    with pytest.raises(BadInput):
        amounts.parse_tokens(text)


@given(st.integers(min_value=1, max_value=MAX_UINT256))
def test_what_is_shown_can_be_typed_again(base_units: int) -> None:
    assert amounts.parse_tokens(amounts.tokens(base_units)) == base_units


def test_exactly_one_way_to_say_the_amount() -> None:
    assert amounts.amount_of(tokens="2", base_units=None) == amounts.amount_of(tokens=None, base_units=str(2 * 10**18))
    for both_or_none in ({"tokens": "1", "base_units": "1"}, {"tokens": None, "base_units": None}):
        with pytest.raises(BadInput):
            amounts.amount_of(**both_or_none)


def test_amounts_of_the_ledger_follow_their_currency() -> None:
    assert amounts.in_currency(-1050, "KES") == "-10.50"
    assert amounts.in_currency(-(10**18) // 2, "KES.token") == "-0.5"
    assert amounts.money(1050, "KES") == "10.50 KES"
    assert amounts.money(0, "") == ""


@pytest.mark.parametrize(
    ("phone", "shown"), [("254712345678", "2547****678"), ("", ""), ("1234567", "*******"), ("12345678", "1234****678")]
)
def test_phones_are_masked(phone: str, shown: str) -> None:
    assert amounts.masked_phone(phone) == shown
