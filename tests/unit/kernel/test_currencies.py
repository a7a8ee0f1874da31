"""The table of currencies, and who reads it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fiatrails.kernel.currencies import CRYPTO, CURRENCIES, FIAT, scale_of, token_currency
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import Money, format_minor, parse_money
from fiatrails.kernel.profile import CountryProfile, VelocityRule


@pytest.mark.parametrize(
    ("code", "scale"), [("KES", 2), ("UGX", 0), ("USDC", 6), ("SOL", 9), ("KES.token", 18), ("XYZ.token", 18)]
)
def test_a_currency_has_a_scale(code: str, scale: int) -> None:
    assert scale_of(code) == scale


@pytest.mark.parametrize("code", ["", "XXX", "kes", "KES.", "KES.tokens", "KE.token", "kes.token", "USDC.token"])
def test_another_code_has_none(code: str) -> None:
    with pytest.raises(BadInput, match="unknown_currency"):
        scale_of(code)


def test_codes_are_short_and_listed_once() -> None:
    assert all(3 <= len(code) <= 8 and code.isalnum() and code.isupper() for code in CURRENCIES)
    assert all(len(code) == 3 for code in FIAT)
    assert len(CURRENCIES) == len(FIAT) + len(CRYPTO)


def test_money_is_read_and_written_at_the_scale_of_its_currency() -> None:
    assert parse_money("12.345678", "USDC") == Money("USDC", 12_345_678)
    assert str(Money("SOL", 1)) == "0.000000001 SOL"
    assert format_minor(-(10**18) // 2, "KES.token") == "-0.500000000000000000"
    with pytest.raises(BadInput, match="amount_too_precise"):
        parse_money("0.0000001", "USDC")


def test_an_amount_of_a_country_token_is_no_money() -> None:
    with pytest.raises(BadInput, match="unknown_currency"):
        Money(token_currency("KES"), 1)


@pytest.mark.parametrize("code", ["USDC", "KES.token", "XXX"])
def test_payers_pay_in_fiat(code: str) -> None:
    with pytest.raises(ValidationError, match="not supported"):
        CountryProfile(country_code="KES", currency=code)
    with pytest.raises(ValidationError, match="not supported"):
        VelocityRule(scope="payer", window_s=60, max_amount=1, currency=code)  # type: ignore[call-arg]
