"""Countries: what is served, what is not, and what happens when nobody knows."""

from __future__ import annotations

from typing import Any

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fiatrails.compliance.geo.countries import Located, NoCountry, locate
from fiatrails.compliance.geo.policy import NOT_RESTRICTED, GeoRules, decide, decide_for_payer, rules_of
from fiatrails.kernel.countries import ALPHA2, require_alpha2
from fiatrails.kernel.networks import Address
from fiatrails.kernel.profile import Geo

US_ONLY = GeoRules(frozenset({"US"}), frozenset(), block_unknown=True)
UNKNOWN = [Located(unknown=why) for why in NoCountry]
COUNTRIES = st.sampled_from(["US", "KE", "KP", "GB"])


class World:
    """A source in which 203.0.113.0/24 and 2001:db8::/32 are where the test says."""

    def __init__(self, code: str) -> None:
        self.code = code

    def code_of(self, address: Address) -> str:
        return self.code if str(address).startswith(("203.0.113.", "2001:db8:", "8.8.8.")) else ""


def told(country: str | None) -> tuple[str, ...]:
    return () if country is None else (country,)


def geo(**fields: Any) -> Geo:
    return Geo.model_validate(fields)


def test_the_known_countries_are_those_of_the_standard_and_kosovo() -> None:
    assert {country.alpha_2 for country in pycountry.countries} | {"XK"} == ALPHA2


@pytest.mark.parametrize("code", ["UK", "EU", "USA", "", "--", "ASIA", "us-ca"])
def test_a_code_that_is_no_country_is_refused_when_the_rules_are_read(code: str) -> None:
    """As a rule it would silently match nobody."""
    with pytest.raises(ValidationError):
        geo(deniedCountries=[code])


def test_codes_are_read_in_any_case() -> None:
    assert require_alpha2([" ke", "Us"]) == ("KE", "US")


@pytest.mark.parametrize("fields", [{"allowedCountries": []}, {"exemptions": ["office"]}, {"unknownCountry": "maybe"}])
def test_rules_that_cannot_be_meant_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        geo(**fields)


def test_nothing_is_restricted_unless_somebody_says_so() -> None:
    assert rules_of(geo(), restricted=False) is None


def test_the_restriction_alone_allows_the_united_states_alone() -> None:
    assert rules_of(geo(), restricted=True) == US_ONLY


def test_denied_countries_are_denied_while_the_restriction_is_off() -> None:
    rules = rules_of(geo(deniedCountries=["KP"]), restricted=False)
    assert rules is not None
    assert decide(ip_country=Located("KE"), rules=rules).allowed
    verdict = decide(ip_country=Located("KP"), rules=rules)
    assert (verdict.allowed, verdict.code, verdict.country) == (False, "country_denied", "KP")


def test_denied_goes_before_allowed() -> None:
    rules = rules_of(geo(allowedCountries=["US", "KE"], deniedCountries=["KE"]), restricted=True)
    assert rules is not None
    assert decide(ip_country=Located("KE"), rules=rules).code == "country_denied"


def test_a_country_that_is_not_allowed_is_refused_by_name() -> None:
    verdict = decide(ip_country=Located("GB"), rules=US_ONLY)
    assert (verdict.allowed, verdict.code, verdict.country) == (False, "country_not_allowed", "GB")


@pytest.mark.parametrize("located", UNKNOWN)
def test_an_unknown_country_is_refused(located: Located) -> None:
    verdict = decide(ip_country=located, rules=US_ONLY)
    assert (verdict.allowed, verdict.country) == (False, "unknown")


@pytest.mark.parametrize("why", [NoCountry.PRIVATE, NoCountry.UNMAPPED])
def test_an_unknown_country_is_let_through_where_the_profile_says_so(why: NoCountry) -> None:
    rules = GeoRules(frozenset({"US"}), frozenset(), block_unknown=False)
    assert decide(ip_country=Located(unknown=why), rules=rules).allowed
    assert not decide(ip_country=Located(unknown=NoCountry.INVALID), rules=rules).allowed


def test_kyc_counts_beside_the_address_and_both_have_to_be_served() -> None:
    def ask(ip: str, kyc: str | None) -> str:
        return decide(ip_country=Located(ip), kyc_countries=told(kyc), rules=US_ONLY).code

    assert ask("US", "US") == "allowed"
    assert ask("US", None) == "allowed"
    assert ask("US", "KE") == ask("KE", "US") == "country_not_allowed"
    assert ask("US", "Kenya") == "country_unknown"


def test_every_country_that_kyc_knows_has_to_be_served() -> None:
    def ask(*kyc: str) -> tuple[str, str]:
        verdict = decide(ip_country=None, kyc_countries=kyc, rules=US_ONLY)
        return verdict.code, verdict.country

    assert ask("US", "us") == ("allowed", "US")
    assert ask("US", "KE") == ask("KE", "US") == ("country_not_allowed", "KE")
    assert ask("US", "") == ask("??", "US") == ("country_unknown", "unknown")


def test_kyc_alone_is_enough_when_no_address_was_reported() -> None:
    assert decide(ip_country=None, kyc_countries=("us",), rules=US_ONLY).allowed
    assert decide(ip_country=None, rules=US_ONLY).code == "country_unknown"


def test_a_claim_refuses_and_never_allows() -> None:
    assert decide(ip_country=None, claimed_country="US", rules=US_ONLY).code == "country_unknown"
    assert decide(ip_country=Located("US"), claimed_country="KE", rules=US_ONLY).code == "country_not_allowed"
    assert decide(ip_country=Located("KE"), claimed_country="US", rules=US_ONLY).code == "country_not_allowed"
    assert decide(ip_country=Located("US"), claimed_country="XX", rules=US_ONLY).code == "country_unknown"


def test_a_payer_is_judged_by_the_address_that_the_client_reported() -> None:
    def ask(ip: str | None, kyc: str | None = None) -> str:
        return decide_for_payer(payer_ip=ip, kyc_countries=told(kyc), countries=World("US"), rules=US_ONLY).code

    assert ask("203.0.113.9") == "allowed"
    assert ask("198.51.100.1") == ask("203.0.113.9", "??") == "country_unknown"
    assert ask("nonsense", "US") == "address_invalid"
    assert ask(None, "US") == "allowed"


def test_without_rules_no_payer_is_judged() -> None:
    verdict = decide_for_payer(payer_ip="nonsense", kyc_countries=("KP",), countries=World("US"), rules=None)
    assert verdict is NOT_RESTRICTED
    assert verdict.allowed


@given(
    st.one_of(st.none(), st.sampled_from([*UNKNOWN, Located("US"), Located("KE"), Located("KP")])),
    st.one_of(st.none(), COUNTRIES),
    st.one_of(st.none(), COUNTRIES),
    st.booleans(),
)
def test_more_evidence_never_opens_what_less_evidence_closes(
    located: Located | None, kyc: str | None, claim: str | None, block: bool
) -> None:
    """With one exception: what was unknown for want of any evidence can become known."""
    rules = GeoRules(frozenset({"US"}), frozenset({"KP"}), block)
    verdict = decide(ip_country=located, kyc_countries=told(kyc), claimed_country=claim, rules=rules)
    alone = [decide(ip_country=located, rules=rules), decide(ip_country=None, kyc_countries=told(kyc), rules=rules)]
    if verdict.allowed:
        assert all(one.allowed or one.code == "country_unknown" for one in alone)
        assert "KP" not in (kyc, claim, located and located.country)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.1.2.3", NoCountry.PRIVATE),
        ("127.0.0.1", NoCountry.PRIVATE),
        ("100.64.0.1", NoCountry.PRIVATE),
        ("169.254.1.1", NoCountry.PRIVATE),
        ("224.0.0.1", NoCountry.PRIVATE),
        ("0.0.0.0", NoCountry.PRIVATE),
        ("::1", NoCountry.PRIVATE),
        ("fe80::1%eth0", NoCountry.PRIVATE),
        ("fc00::1", NoCountry.PRIVATE),
        ("::ffff:10.0.0.1", NoCountry.PRIVATE),
        ("9.9.9.9", NoCountry.UNMAPPED),
        ("2a00::1", NoCountry.UNMAPPED),
        ("", NoCountry.INVALID),
        ("nonsense", NoCountry.INVALID),
        ("010.8.8.8", NoCountry.INVALID),
    ],
)
def test_why_there_is_no_country(text: str, why: NoCountry) -> None:
    assert locate(text, World("US")) == Located(unknown=why)


@pytest.mark.parametrize("text", ["::8.8.8.8", "2002:808:808::1", "2001:0:808:808::1"])
def test_an_address_that_carries_another_does_not_get_its_country(text: str) -> None:
    class Everywhere:
        def code_of(self, address: Address) -> str:
            return "US"

    assert locate(text, Everywhere()).country == ""


@pytest.mark.parametrize("code", ["EU", "ASIA", "--", "", "us", "99"])
def test_what_the_data_calls_a_country_and_is_none_is_unmapped(code: str) -> None:
    assert locate("8.8.8.8", World(code)) == Located(unknown=NoCountry.UNMAPPED)
