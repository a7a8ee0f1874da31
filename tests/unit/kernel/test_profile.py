"""What the deployment profile says of the coin behind a token."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fiatrails.kernel.profile import CountryProfile, Profile

COIN = "0x" + "Ab" * 20
PRICE = {"minorUnitsPerToken": 13_500, "unverified": True}


def country(code: str = "KES", **fields: object) -> dict[str, object]:
    return {"countryCode": code, "currency": "KES", **fields}


def test_the_coin_is_of_the_payers_currency_unless_the_profile_says_otherwise() -> None:
    assert CountryProfile.model_validate(country()).stablecoin_currency == "KES"
    told = CountryProfile.model_validate(country(stablecoin={"currency": "USD", "address": COIN}, price=PRICE))
    assert (told.stablecoin_currency, told.stablecoin.address) == ("USD", COIN)
    profile = Profile.model_validate(
        {"countries": [country(), country("UGX", stablecoin={"currency": "USD"}, price=PRICE)]}
    )
    assert profile.stablecoin_currencies == {"KES": "KES", "UGX": "USD"}


@pytest.mark.parametrize(
    "stablecoin", [{"currency": "XXX"}, {"currency": "USDC"}, {"address": "0x12"}, {"address": ""}, {"name": "USDT"}]
)
def test_a_coin_that_cannot_be_is_refused(stablecoin: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        CountryProfile.model_validate(country(stablecoin=stablecoin))


def test_countries_share_a_coin_only_in_one_currency() -> None:
    shared = {"address": COIN, "currency": "USD"}
    Profile.model_validate(
        {"countries": [country(stablecoin=shared, price=PRICE), country("UGX", stablecoin=shared, price=PRICE)]}
    )
    other = {"address": COIN.lower(), "currency": "EUR"}
    with pytest.raises(ValidationError, match="cannot be USD and EUR"):
        Profile.model_validate(
            {"countries": [country(stablecoin=shared, price=PRICE), country("UGX", stablecoin=other, price=PRICE)]}
        )
