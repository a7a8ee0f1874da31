"""The payer's country, as far as it is known, by the rule of countries; the address of a request is its client's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fiatrails.compliance.geo.gate import judge_payer, rules_in_force
from fiatrails.compliance.geo.policy import GeoRules, GeoVerdict, decide
from fiatrails.compliance.policy import Verdict
from fiatrails.compliance.sanctions import payers


@dataclass(frozen=True, slots=True)
class Residence:
    """`verdict`, and all that it was decided on: the payer's countries and the rule; JSON."""

    verdict: Verdict
    inputs: dict[str, Any]


def judge_users(users: Iterable[str]) -> dict[str, Residence]:
    """Return by user whether all countries that were ever recorded of the payer are served; one short query. Empty
    while no country is restricted."""
    rules = rules_in_force()
    if rules is None:
        return {}
    known = payers.known(users)
    countries_of = {user: {code for identity in known[user] for code in identity.countries} for user in known}
    return {user: _judge(sorted(countries), rules) for user, countries in countries_of.items()}


def reproduce(inputs: Mapping[str, Any]) -> GeoVerdict:
    """Judge a stored decision about a country once more, under the rule of that day."""
    allowed = inputs["allowed"]
    rules = GeoRules(
        None if allowed is None else frozenset(allowed), frozenset(inputs["denied"]), inputs["unknown"] == "block"
    )
    return decide(ip_country=None, kyc_countries=inputs["countries"], rules=rules)


def _judge(countries: list[str], rules: GeoRules) -> Residence:
    found = judge_payer(kyc_countries=countries)
    inputs = {
        "countries": countries,
        "allowed": None if rules.allowed is None else sorted(rules.allowed),
        "denied": sorted(rules.denied),
        "unknown": "block" if rules.block_unknown else "allow",
        "code": found.code,
    }
    return Residence(Verdict(found.allowed, f"payer_{found.code}", _reason(found)), inputs)


def _reason(found: GeoVerdict) -> str:
    if found.code == "country_unknown":
        return "the payer's country is not known; record it with `fiatrails payer record --country`"
    return f"the payer's country {found.country} is {'' if found.allowed else 'not '}served here"
