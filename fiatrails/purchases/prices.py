"""The prices in force: fixed by the profile, or the last round of a feed that was taken.

The worker reads the feeds; whoever makes a purchase reads the row, so that no request waits for a chain. A row that
was not read again for a while is no price: then nothing is sold in that country, and the operator is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from fiatrails.chains.core.chain import FeedAnswer
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.registry import default_chain
from fiatrails.controls import audit
from fiatrails.engine import dead_letters
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import FiatRailsError, NotFound, OutsideUnknown, Unavailable
from fiatrails.kernel.profile import CountryProfile, FeedProfile
from fiatrails.purchases.models import TokenPrice
from fiatrails.purchases.pricing import Rate, feed_rate, fixed_rate, require_near

READ_EVERY_S = 30
# Ten readings were missed: the worker stands still, or its chain does not answer.
_UNREAD = timedelta(seconds=10 * READ_EVERY_S)
_ALARM = "readPrice"


@dataclass(frozen=True, slots=True)
class PriceStanding:
    """The price of a country as it stands: its rate, or why there is none."""

    country: CountryProfile
    rate: Rate | None
    refused: str | None


def standings(*, now: datetime) -> list[PriceStanding]:
    """Return how the price of each country stands."""
    return [_standing(country, now) for country in profile().countries]


def rate_in_force(country: CountryProfile, *, now: datetime) -> Rate:
    """Return what a token of the country costs now. Unavailable, with the reason, while its feed gives no price."""
    fixed = fixed_rate(country)
    if fixed is not None:
        return fixed
    feed = feed_of(country)
    row = _latest(country, feed)
    if row is None:
        raise Unavailable("no_price", f"no price for {country.country_code} was read yet; is a worker running?")
    if now - row.read_at > _UNREAD or now - row.updated_at > timedelta(seconds=feed.max_age_s):
        raise Unavailable(
            "no_price", f"the price for {country.country_code} is from {row.updated_at:%F %T}; `fiatrails price show`"
        )
    return Rate(row.minor_units, f"feed {row.feed}, round {row.round_id}, {row.updated_at:%F %T}")


def feeds() -> Sequence[tuple[CountryProfile, FeedProfile]]:
    """Return the countries whose price a feed says."""
    return [(each, each.price.feed) for each in profile().countries if each.price and each.price.feed]


def feed_of(country: CountryProfile) -> FeedProfile:
    """Return the country's feed; NotFound when its price is fixed."""
    if country.price is None or country.price.feed is None:
        raise NotFound("no_price_feed", f"the price for {country.country_code} is fixed by the profile")
    return country.price.feed


def read_feeds(*, pool: RpcPool, now: datetime) -> int:
    """Read every feed and take its price, or raise the alarm with the reason; return how many were taken."""
    return sum(_read_or_alarm(country, feed, pool, now) for country, feed in feeds())


def accept(country: CountryProfile, *, pool: RpcPool, actor: str, reason: str, now: datetime) -> TokenPrice:
    """Take the feed's answer of now although it deviates too far from the price before. Age and bounds still hold."""
    feed = feed_of(country)
    answer = default_chain().read_feed(feed.address, pool=pool)
    rate = feed_rate(country, feed, answer, now=now)
    with transaction.atomic():
        row = _store(country, feed, answer, rate, now, taken_by=actor)
        details = {"round": answer.round_id, "minorUnitsPerToken": f"{rate:f}", "reason": reason}
        audit.record(actor, "price.accept", country.country_code, details, now=now)
        dead_letters.close_alarm(_ALARM, country.country_code, reason="accepted", actor=actor, now=now)
    return row


def _standing(country: CountryProfile, now: datetime) -> PriceStanding:
    try:
        return PriceStanding(country, rate_in_force(country, now=now), None)
    except Unavailable as error:
        return PriceStanding(country, None, error.message)


def _latest(country: CountryProfile, feed: FeedProfile) -> TokenPrice | None:
    rows = TokenPrice.objects.filter(country=country.country_code, feed=feed.address.lower())
    return rows.order_by("-id").first()


def _read_or_alarm(country: CountryProfile, feed: FeedProfile, pool: RpcPool, now: datetime) -> bool:
    try:
        _take(country, feed, pool, now)
    except (Unavailable, OutsideUnknown) as error:
        _alarm(country, error, now)
        return False
    dead_letters.close_alarm(_ALARM, country.country_code, reason="a price was read", actor="worker", now=now)
    return True


def _take(country: CountryProfile, feed: FeedProfile, pool: RpcPool, now: datetime) -> None:
    answer = default_chain().read_feed(feed.address, pool=pool)
    rate = feed_rate(country, feed, answer, now=now)
    before = _latest(country, feed)
    if before is not None and before.round_id == answer.round_id and before.minor_units == rate:
        TokenPrice.objects.filter(pk=before.pk).update(read_at=now)
        return
    if before is not None:
        _require_newer(answer, before)
        require_near(rate, before.minor_units, feed)
    _store(country, feed, answer, rate, now)


def _require_newer(answer: FeedAnswer, before: TokenPrice) -> None:
    # An endpoint that is behind still shows an earlier round.
    if datetime.fromtimestamp(answer.updated_at, UTC) < before.updated_at:
        raise Unavailable(
            "price_older", f"the endpoint shows round {answer.round_id}, round {before.round_id} was read before"
        )


def _store(
    country: CountryProfile, feed: FeedProfile, answer: FeedAnswer, rate: Decimal, now: datetime, *, taken_by: str = ""
) -> TokenPrice:
    return TokenPrice.objects.create(
        country=country.country_code,
        feed=feed.address.lower(),
        round_id=answer.round_id,
        minor_units=rate,
        updated_at=datetime.fromtimestamp(answer.updated_at, UTC),
        read_at=now,
        taken_by=taken_by,
    )


def _alarm(country: CountryProfile, error: FiatRailsError, now: datetime) -> None:
    dead_letters.add(
        operation=_ALARM,
        subject=country.country_code,
        attempts=1,
        last_error=f"{error.code}: {error.message}",
        error_class=dead_letters.TEMPORARY if isinstance(error, OutsideUnknown) else dead_letters.PERMANENT,
        payload={},
        now=now,
    )
