"""The rule of countries with this process's configuration and data."""

from __future__ import annotations

from collections.abc import Sequence

from fiatrails.compliance.geo.countries import CountryOf, country_source
from fiatrails.compliance.geo.policy import GeoRules, GeoVerdict, decide_for_payer, rules_of
from fiatrails.kernel.conf import config
from fiatrails.kernel.networks import Address


def rules_in_force() -> GeoRules | None:
    """Return what this process restricts; None: nothing."""
    current = config()
    return rules_of(current.profile.geo, restricted=current.geo.restricted)


def source_in_force() -> CountryOf:
    """Return the source of countries of this process; read at the first call. Misconfigured when it cannot be read."""
    return country_source(config().geo.database)


def judge_payer(
    *, kyc_countries: Sequence[str], payer_ip: str | None = None, claimed_country: str | None = None
) -> GeoVerdict:
    """Apply `policy.decide_for_payer` under the rules in force; without an address to look up, no data is loaded."""
    return decide_for_payer(
        payer_ip=payer_ip,
        kyc_countries=kyc_countries,
        claimed_country=claimed_country,
        countries=_InForce(),
        rules=rules_in_force(),
    )


class _InForce:
    """The source in force, loaded when it is asked."""

    def code_of(self, address: Address) -> str:
        return source_in_force().code_of(address)
