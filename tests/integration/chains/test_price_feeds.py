"""Prices from a feed on a real chain: taken, refused with the reason, and used without asking the chain again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.conf import settings

from fiatrails.chains.evm.pool import EvmPool
from fiatrails.controls.models import AuditRecord
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.clock import unix
from fiatrails.kernel.errors import BadInput, Unavailable
from fiatrails.kernel.money import Money
from fiatrails.kernel.profile import CountryProfile
from fiatrails.purchases import prices
from fiatrails.purchases.models import Purchase, TokenPrice
from fiatrails.purchases.opening import NewPurchase, create_purchase
from tests.integration.chains.conftest import TOKEN, Rail
from tests.kit.price_feed import LocalFeed

DOLLAR = 13_500_000_000


@pytest.fixture
def feed(rail: Rail, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalFeed]:
    """A shilling token behind a dollar coin, priced by a feed that a test makes speak."""
    feed = LocalFeed(rail.rpc)
    country = CountryProfile.model_validate(
        {
            "countryCode": "KES",
            "currency": "KES",
            "stablecoin": {"currency": "USD"},
            "price": {
                "feed": {
                    "address": feed.address,
                    "maxAgeS": 3_600,
                    "minMinorUnitsPerToken": 10_000,
                    "maxMinorUnitsPerToken": 20_000,
                    "maxDeviationBps": 500,
                }
            },
            "priceToleranceBps": 100,
        }
    )
    current = settings.FIATRAILS
    profile = current.profile.model_copy(update={"countries": (country,)})
    monkeypatch.setattr(settings, "FIATRAILS", replace(current, profile=profile))
    yield feed
    feed.vanish()


def say(rail: Rail, feed: LocalFeed, value: int, *, round_id: int, age_s: int = 10) -> int:
    """Lets the feed speak and the worker read it."""
    feed.say(value, round_id=round_id, updated_at=unix(rail.clock.now()) - age_s)
    return prices.read_feeds(pool=rail.pool, now=rail.clock.now())


def buy(rail: Rail, tx_ref: str, *, price: Money | None = None) -> Purchase:
    request = NewPurchase(user=rail.user(1), amount=10 * TOKEN, country_code="KES", tx_ref=tx_ref, price=price)
    return create_purchase(request=request, client="default", now=rail.clock.now())


def alarm() -> str:
    """Why the open alarm says that no price is taken."""
    return DeadLetter.objects.get(operation="readPrice", subject="KES", state="open").last_error


def test_a_purchase_costs_what_the_feed_says_and_keeps_rate_and_source(rail: Rail, feed: LocalFeed) -> None:
    with pytest.raises(Unavailable, match="no price for KES was read yet"):
        buy(rail, "P0")
    assert say(rail, feed, DOLLAR, round_id=1) == 1
    bought = buy(rail, "P1")
    assert (bought.fiat_currency, bought.fiat_expected, bought.price_rate) == ("KES", 135_000, 13_500)
    assert bought.price_source.startswith(f"feed {feed.address}, round 1, ")
    assert buy(rail, "P2", price=Money("KES", 134_000)).fiat_expected == 134_000
    with pytest.raises(BadInput, match=r"fiatAmount is 1000\.00 KES, the price is 1350\.00 KES"):
        buy(rail, "P3", price=Money("KES", 100_000))


def test_a_jump_waits_for_a_person_and_the_price_before_stays_in_force(rail: Rail, feed: LocalFeed) -> None:
    say(rail, feed, DOLLAR, round_id=1)
    assert say(rail, feed, DOLLAR * 2 // 3 * 2, round_id=2) == 0
    assert "price_deviates" in alarm()
    assert buy(rail, "P1").price_rate == 13_500
    (country,) = settings.FIATRAILS.profile.countries
    now = rail.clock.now()
    prices.accept(country, pool=rail.pool, actor="amina", reason="devalued", now=now)
    assert buy(rail, "P2").price_rate == 18_000
    assert not DeadLetter.objects.filter(operation="readPrice", state="open").exists()
    assert AuditRecord.objects.get(action="price.accept").details["reason"] == "devalued"
    assert prices.read_feeds(pool=rail.pool, now=rail.clock.now()) == 1


@pytest.mark.parametrize(
    ("value", "age_s", "code"),
    [
        (0, 10, "price_refused"),
        (-DOLLAR, 10, "price_refused"),
        (DOLLAR, 3_700, "price_stale"),
        (1, 10, "price_out_of_bounds"),
    ],
)
def test_what_is_no_price_is_an_alarm_that_ends_with_the_next_price(
    rail: Rail, feed: LocalFeed, value: int, age_s: int, code: str
) -> None:
    assert say(rail, feed, value, round_id=1, age_s=age_s) == 0
    assert code in alarm()
    assert not TokenPrice.objects.exists()
    assert say(rail, feed, DOLLAR, round_id=2) == 1
    assert not DeadLetter.objects.filter(operation="readPrice", state="open").exists()


def test_a_bound_holds_for_an_accepted_price_too(rail: Rail, feed: LocalFeed) -> None:
    say(rail, feed, DOLLAR * 2, round_id=1)
    (country,) = settings.FIATRAILS.profile.countries
    with pytest.raises(Unavailable, match="the profile allows 10000 to 20000"):
        prices.accept(country, pool=rail.pool, actor="amina", reason="devalued", now=rail.clock.now())


def test_nothing_is_sold_at_a_price_that_was_not_read_for_minutes(rail: Rail, feed: LocalFeed) -> None:
    say(rail, feed, DOLLAR, round_id=1)
    away = EvmPool(["http://127.0.0.1:9"], timeout_s=1)
    rail.clock.advance(200)
    assert prices.read_feeds(pool=away, now=rail.clock.now()) == 0
    assert "rpc_no_answer" in alarm()
    assert buy(rail, "P1").price_rate == 13_500
    rail.clock.advance(101)
    with pytest.raises(Unavailable, match="fiatrails price show"):
        buy(rail, "P2")
    assert prices.read_feeds(pool=rail.pool, now=rail.clock.now()) == 1
    assert buy(rail, "P3").price_rate == 13_500
    # Read again, the same round is the same row.
    assert TokenPrice.objects.count() == 1


def test_an_endpoint_that_is_behind_does_not_bring_an_earlier_price_back(rail: Rail, feed: LocalFeed) -> None:
    say(rail, feed, DOLLAR, round_id=2)
    assert say(rail, feed, DOLLAR + 10**8, round_id=1, age_s=60) == 0
    assert "price_older" in alarm()
    assert buy(rail, "P1").price_rate == 13_500


def test_an_address_without_a_feed_is_named(rail: Rail, feed: LocalFeed) -> None:
    feed.vanish()
    assert prices.read_feeds(pool=rail.pool, now=rail.clock.now()) == 0
    assert f"no price feed answers at {feed.address}" in alarm()
