"""What a token costs, and whether a client's price is near enough. Pure: no rows, no chain, no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Context, Decimal

from fiatrails.chains.core.chain import FeedAnswer
from fiatrails.kernel.errors import BadInput, Unavailable
from fiatrails.kernel.money import Money, price_at, token_price
from fiatrails.kernel.profile import CountryProfile, FeedProfile

BPS = 10_000
_RATE_STEP = Decimal("1e-12")
# Node and feed run on clocks of their own; further ahead, the answer is not believed.
_CLOCK_SKEW = timedelta(minutes=5)
# No feed has more, and no time is later; a contract may answer anything.
_MAX_DECIMALS = 36
_MAX_UNIX = 2**33
# Wide enough that nothing is rounded but the last step of a rate.
_WIDE = Context(prec=120, rounding=ROUND_UP)


@dataclass(frozen=True, slots=True)
class Rate:
    """One token costs `minor_units` of the payer's currency. `source` says who said so, for a person."""

    minor_units: Decimal
    source: str


def par_rate(country: CountryProfile) -> Rate:
    """Return the rate of a token whose coin is of the payer's currency: one to one."""
    return Rate(Decimal(country.par_minor_units), f"one {country.currency} for one token")


def fixed_rate(country: CountryProfile) -> Rate | None:
    """Return the rate that the profile itself fixes; None when a feed says it."""
    if country.price is None:
        return par_rate(country)
    if country.price.minor_units_per_token is None:
        return None
    return Rate(Decimal(country.price.minor_units_per_token), "fixed by the profile")


def feed_rate(country: CountryProfile, feed: FeedProfile, answer: FeedAnswer, *, now: datetime) -> Decimal:
    """Return the minor units per token that the feed's answer means, rounded up to 12 decimals.

    Unavailable, with both figures, when the answer is no price, is too old or from the future, or out of bounds.
    """
    sane = answer.value > 0 and 0 < answer.updated_at < _MAX_UNIX and answer.decimals <= _MAX_DECIMALS
    if not sane:
        raise Unavailable("price_refused", f"the price feed answers no price: {answer}")
    _require_fresh(feed, answer, now)
    rate = _minor_units(country, feed, answer)
    low, high = feed.min_minor_units_per_token, feed.max_minor_units_per_token
    if not low <= rate <= high:
        raise Unavailable(
            "price_out_of_bounds",
            f"the price feed says {rate:f} minor units per token, the profile allows {low} to {high}",
        )
    return rate


def require_near(rate: Decimal, before: Decimal, feed: FeedProfile) -> None:
    """Return when `rate` is at most `maxDeviationBps` away from the rate `before`; Unavailable when not."""
    if abs(rate - before) * BPS > before * feed.max_deviation_bps:
        raise Unavailable(
            "price_deviates",
            f"the price feed says {rate:f} minor units per token, {before:f} before: more than "
            f"{feed.max_deviation_bps} bps away; `fiatrails price accept` takes it",
        )


def price_of(amount: int, country: CountryProfile, rate: Rate) -> Money:
    """Return the price of `amount` base units, rounded up. BadInput when it is one to one and no whole minor unit."""
    if rate == par_rate(country):
        return token_price(amount, country.currency)
    return price_at(amount, rate.minor_units, country.currency)


def require_fair(price: Money, amount: int, country: CountryProfile, rate: Rate) -> None:
    """Return when a client's price for `amount` base units lies within the country's tolerance of the rate, and is not
    less than a coin of the payer's currency is worth; BadInput with both figures when not."""
    exact = price_at(amount, rate.minor_units, country.currency).minor
    low = -(-exact * (BPS - country.price_tolerance_bps) // BPS)
    if country.stablecoin_currency == country.currency:
        low = max(low, price_at(amount, par_rate(country).minor_units, country.currency).minor)
    high = exact * (BPS + country.price_tolerance_bps) // BPS
    if not low <= price.minor <= high:
        due = Money(country.currency, exact)
        raise BadInput(
            "price_out_of_range",
            f"fiatAmount is {price}, the price is {due}; at most {country.price_tolerance_bps} bps away are accepted, "
            "and without fiatAmount the price is taken",
        )


def _require_fresh(feed: FeedProfile, answer: FeedAnswer, now: datetime) -> None:
    updated_at = datetime.fromtimestamp(answer.updated_at, UTC)
    if updated_at > now + _CLOCK_SKEW:
        raise Unavailable("price_refused", f"the price feed's answer is from {updated_at:%F %T}, which is ahead of us")
    if now - updated_at > timedelta(seconds=feed.max_age_s):
        raise Unavailable(
            "price_stale", f"the price feed's answer is from {updated_at:%F %T}, older than {feed.max_age_s} s"
        )


def _minor_units(country: CountryProfile, feed: FeedProfile, answer: FeedAnswer) -> Decimal:
    whole, unit = Decimal(country.par_minor_units), Decimal(10) ** answer.decimals
    exact = (
        _WIDE.divide(whole * unit, Decimal(answer.value))
        if feed.inverted
        else _WIDE.divide(_WIDE.multiply(whole, Decimal(answer.value)), unit)
    )
    return exact.quantize(_RATE_STEP, context=_WIDE)
