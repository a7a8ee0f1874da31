"""The rule of countries, pure: what is known of where somebody is -> served or not, with a reason for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fiatrails.compliance.geo.countries import CountryOf, Located, NoCountry, locate
from fiatrails.kernel.countries import ALPHA2
from fiatrails.kernel.profile import Geo

UNKNOWN_COUNTRY = "unknown"


@dataclass(frozen=True, slots=True)
class GeoRules:
    """`allowed` None: every country that is not denied."""

    allowed: frozenset[str] | None
    denied: frozenset[str]
    block_unknown: bool


@dataclass(frozen=True, slots=True)
class GeoVerdict:
    """`code` is stable (metrics, filters); `reason` is for people and names no address; `country` is the one that
    decided, alpha-2, or `unknown`."""

    allowed: bool
    code: str
    reason: str
    country: str


NOT_RESTRICTED = GeoVerdict(True, "not_restricted", "no country is restricted", UNKNOWN_COUNTRY)


def rules_of(geo: Geo, *, restricted: bool) -> GeoRules | None:
    """Return the rules in force; None when no country is restricted at all. Denied countries are denied also while the
    restriction to allowed ones is off."""
    if not restricted and not geo.denied_countries:
        return None
    allowed = frozenset(geo.allowed_countries) if restricted else None
    return GeoRules(allowed, frozenset(geo.denied_countries), geo.unknown_country == "block")


def decide(
    *,
    ip_country: Located | None,
    kyc_countries: Sequence[str] = (),
    claimed_country: str | None = None,
    rules: GeoRules,
) -> GeoVerdict:
    """Decide whether everything that is known is served here: where the address is, what KYC found, what the payer
    claims.

    None, or no KYC country, means that nothing was asked; an answer that is no country is unknown. A claim can only
    refuse, never allow on its own. An address that cannot be read is refused whatever `block_unknown` says: it is no
    lack of data but a chain of proxies that does not tell the truth.
    """
    if ip_country is not None and ip_country.unknown is NoCountry.INVALID:
        return GeoVerdict(False, "address_invalid", "the address of the request cannot be read", UNKNOWN_COUNTRY)
    of_address = None if ip_country is None else ip_country.country
    answers = (of_address, *map(_named, kyc_countries))
    proven = [country for country in answers if country is not None]
    known = [country for country in (*proven, _named(claimed_country)) if country]
    for country in known:
        if country in rules.denied:
            return GeoVerdict(False, "country_denied", "this country is not served", country)
    for country in known:
        if rules.allowed is not None and country not in rules.allowed:
            return GeoVerdict(False, "country_not_allowed", "this country is not served", country)
    if rules.block_unknown and (not proven or "" in proven or _named(claimed_country) == ""):
        return GeoVerdict(False, "country_unknown", "the country is unknown", UNKNOWN_COUNTRY)
    return GeoVerdict(True, "allowed", "the country is served", known[0] if known else UNKNOWN_COUNTRY)


def decide_for_payer(
    *,
    payer_ip: str | None,
    kyc_countries: Sequence[str],
    countries: CountryOf,
    rules: GeoRules | None,
    claimed_country: str | None = None,
) -> GeoVerdict:
    """Decide about the payer behind a request of a client's server, before money becomes tokens. `payer_ip` as the
    client reported it, `kyc_countries` as KYC recorded them (alpha-2); with neither the country is unknown."""
    if rules is None:
        return NOT_RESTRICTED
    located = locate(payer_ip, countries) if payer_ip is not None else None
    return decide(ip_country=located, kyc_countries=kyc_countries, claimed_country=claimed_country, rules=rules)


def _named(country: str | None) -> str | None:
    """Return the country that was said. None: nothing was said; empty: what was said is no country."""
    if country is None:
        return None
    code = country.strip().upper()
    return code if code in ALPHA2 else ""
