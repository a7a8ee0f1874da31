"""What a token costs, and whether that can be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fiatrails.operations.doctor.checks import CheckResult, Context, Findings, Level

if TYPE_CHECKING:
    from fiatrails.purchases.prices import PriceStanding


def check_prices(context: Context) -> Findings:
    """Check that every country has a price in force, and name those that nothing verifies."""
    # The checks are imported before Django is set up: a configuration that cannot be read is a finding.
    from fiatrails.purchases import prices

    for standing in prices.standings(now=context.now):
        yield _finding(standing)


def _finding(standing: PriceStanding) -> CheckResult:
    country, name = standing.country, f"price {standing.country.country_code}"
    if standing.rate is None:
        return CheckResult(name, Level.FAIL, str(standing.refused), "`fiatrails dlq list` says why: `readPrice`")
    costs = f"{standing.rate.minor_units.normalize():f} minor units of {country.currency}"
    what = f"a token costs {costs} ({standing.rate.source}) and is backed by {country.stablecoin_currency}"
    if country.price is not None and country.price.unverified:
        return CheckResult(name, Level.WARN, f"{what}: nothing verifies this price", "give price.feed in the profile")
    return CheckResult(name, Level.OK, what)
