"""A coin that counts otherwise than the rail, or in another currency, would make every mint wrong: no lane works."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fiatrails.chains.evm import registry
from fiatrails.chains.evm.contracts import stablecoin
from fiatrails.chains.evm.signer import Signers
from fiatrails.chains.evm.submitter import lanes
from fiatrails.kernel.conf import Config, config
from fiatrails.kernel.errors import BadInput, Misconfigured, OutsideUnknown
from fiatrails.kernel.profile import CoinProfile, CountryProfile, PriceProfile
from tests.integration.chains.conftest import Rail
from tests.integration.chains.test_lanes import RpcPoolAway
from tests.kit.services import set_stablecoin

COIN = "0x" + "5c" * 20


@pytest.fixture(autouse=True)
def unasked() -> Iterator[None]:
    """As in a process that has just begun."""
    stablecoin.reset_cache()
    yield
    stablecoin.reset_cache()


@pytest.fixture
def record(rail: Rail, configure: Callable[..., Config], tmp_path: Path) -> Callable[..., None]:
    """Makes deployments.json say this of the Kenyan contracts; None leaves a key out."""

    def change(**entry: str | None) -> None:
        books: dict[str, Any] = json.loads(rail.chain.deployments_path.read_text())
        kenya = books["31337"]["contracts"]["KES"] | entry
        books["31337"]["contracts"]["KES"] = {name: value for name, value in kenya.items() if value is not None}
        (tmp_path / "deployments.json").write_text(json.dumps(books))
        configure(deployments_path=tmp_path / "deployments.json")

    return change


@pytest.fixture
def use_coin(rail: Rail, record: Callable[..., None]) -> Callable[..., None]:
    """Names a stablecoin with these decimals, and perhaps a currency of its own, in deployments.json."""

    def use(decimals: int | None, currency: str = "") -> None:
        set_stablecoin(rail.chain.anvil.url, COIN, decimals, currency)
        record(Stablecoin=COIN)

    return use


def ensure(rail: Rail) -> None:
    lanes.ensure_lanes(signers=rail.signers, pool=rail.pool, now=rail.clock.now())


@pytest.mark.parametrize("decimals", [0, 6, 19, None])
def test_no_lane_is_made_for_a_stablecoin_with_other_decimals(
    rail: Rail, use_coin: Callable[..., None], decimals: int | None
) -> None:
    rail.sql("DELETE FROM evm_lane")
    use_coin(decimals)
    for _ in range(2):
        with pytest.raises(Misconfigured, match="contracts deploy --stablecoin"):
            ensure(rail)
    assert rail.sql("SELECT count(*) FROM evm_lane") == [(0,)]


def test_no_lane_is_made_for_a_coin_of_another_currency(rail: Rail, use_coin: Callable[..., None]) -> None:
    rail.sql("DELETE FROM evm_lane")
    use_coin(18, "USD")
    with pytest.raises(Misconfigured, match="says that it is 'USD', and the profile says KES"):
        ensure(rail)
    assert rail.sql("SELECT count(*) FROM evm_lane") == [(0,)]


def test_a_coin_that_the_escrow_does_not_take_is_refused(rail: Rail, use_coin: Callable[..., None]) -> None:
    use_coin(18, "KES")
    with pytest.raises(Misconfigured, match=f"the address book says {COIN}"):
        ensure(rail)


def test_a_profile_that_wants_another_currency_is_refused(rail: Rail, configure: Callable[..., Config]) -> None:
    dollars = CountryProfile(
        country_code="KES",
        currency="KES",
        stablecoin=CoinProfile(currency="USD", address=None),
        price=PriceProfile(minor_units_per_token=13_500, unverified=True),
    )
    configure(profile=config().profile.model_copy(update={"countries": (dollars,)}))
    with pytest.raises(Misconfigured, match="says that it is 'KES', and the profile says USD"):
        ensure(rail)


@pytest.mark.parametrize("recorded", ["USD", None])
def test_a_book_with_another_currency_or_none_is_refused(
    rail: Rail, record: Callable[..., None], recorded: str | None
) -> None:
    record(stablecoinCurrency=recorded)
    with pytest.raises(Misconfigured, match="address book"):
        ensure(rail)


def test_the_lanes_are_held_for_it_until_it_is_put_right(
    rail: Rail, record: Callable[..., None], configure: Callable[..., Config]
) -> None:
    shown = "SELECT split_part(held, ':', 1), held_since IS NOT NULL FROM evm_lane WHERE role = 'executor'"
    record(stablecoinCurrency="USD")
    with pytest.raises(Misconfigured):
        ensure(rail)
    assert rail.sql(shown) == [("stablecoin_currency", True)]
    configure(deployments_path=rail.chain.deployments_path)
    ensure(rail)
    assert rail.sql(shown) == [("", False)]


def test_sound_coins_are_asked_again_after_a_minute(rail: Rail) -> None:
    ensure(rail)
    with RpcPoolAway() as away:
        lanes.ensure_lanes(signers=rail.signers, pool=away, now=rail.clock.now())
        rail.clock.advance(61)
        with pytest.raises(OutsideUnknown):
            lanes.ensure_lanes(signers=rail.signers, pool=away, now=rail.clock.now())


def test_a_chain_that_does_not_answer_is_no_refusal(rail: Rail) -> None:
    stablecoin.reset_cache()
    with RpcPoolAway() as away, pytest.raises(OutsideUnknown):
        lanes.ensure_lanes(signers=rail.signers, pool=away, now=rail.clock.now())
    ensure(rail)


def test_the_officers_lane_mints_nothing_and_does_not_ask(rail: Rail, use_coin: Callable[..., None]) -> None:
    use_coin(6)
    officer = Signers(executors=(), officer=rail.signers.officer)
    lanes.ensure_lanes(signers=officer, pool=rail.pool, now=rail.clock.now())


@pytest.mark.parametrize("score", [-1, 101, 255])
def test_a_score_that_the_registry_cannot_take_is_refused_before_a_nonce_is_used(rail: Rail, score: int) -> None:
    with pytest.raises(BadInput, match="between 0 and 100"):
        registry.enqueue_update(rail.user(1), score, "0x" + "cd" * 32, True, now=rail.clock.now())
    assert rail.sql("SELECT count(*) FROM evm_nonce_slot") == [(0,)]
