"""A stablecoin that counts otherwise than the rail would make every mint wrong, so no lane comes into service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fiatrails.chains.evm import registry
from fiatrails.chains.evm.contracts import stablecoin
from fiatrails.chains.evm.signer import Signers
from fiatrails.chains.evm.submitter import lanes
from fiatrails.kernel.conf import Config
from fiatrails.kernel.errors import BadInput, Misconfigured, OutsideUnknown
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
def use_coin(rail: Rail, configure: Callable[..., Config], tmp_path: Path) -> Callable[[int | None], None]:
    """Names a stablecoin with these decimals in deployments.json."""

    def use(decimals: int | None) -> None:
        set_stablecoin(rail.chain.anvil.url, COIN, decimals)
        books = json.loads(rail.chain.deployments_path.read_text())
        books["31337"]["contracts"]["USDStablecoin"] = COIN
        (tmp_path / "deployments.json").write_text(json.dumps(books))
        configure(deployments_path=tmp_path / "deployments.json")

    return use


def ensure(rail: Rail) -> None:
    lanes.ensure_lanes(signers=rail.signers, pool=rail.pool, now=rail.clock.now())


@pytest.mark.parametrize("decimals", [0, 6, 19, None])
def test_no_lane_is_made_for_a_stablecoin_with_other_decimals(
    rail: Rail, use_coin: Callable[[int | None], None], decimals: int | None
) -> None:
    rail.sql("DELETE FROM evm_lane")
    use_coin(decimals)
    for _ in range(2):
        with pytest.raises(Misconfigured, match="contracts deploy --stablecoin"):
            ensure(rail)
    assert rail.sql("SELECT count(*) FROM evm_lane") == [(0,)]


def test_a_fitting_stablecoin_is_asked_once_per_process(rail: Rail, use_coin: Callable[[int | None], None]) -> None:
    use_coin(18)
    ensure(rail)
    with RpcPoolAway() as away:
        lanes.ensure_lanes(signers=rail.signers, pool=away, now=rail.clock.now())


def test_a_chain_that_does_not_answer_is_no_refusal(rail: Rail) -> None:
    stablecoin.reset_cache()
    with RpcPoolAway() as away, pytest.raises(OutsideUnknown):
        lanes.ensure_lanes(signers=rail.signers, pool=away, now=rail.clock.now())
    ensure(rail)


def test_the_officers_lane_mints_nothing_and_does_not_ask(rail: Rail, use_coin: Callable[[int | None], None]) -> None:
    use_coin(6)
    officer = Signers(executors=(), officer=rail.signers.officer)
    lanes.ensure_lanes(signers=officer, pool=rail.pool, now=rail.clock.now())


@pytest.mark.parametrize("score", [-1, 101, 255])
def test_a_score_that_the_registry_cannot_take_is_refused_before_a_nonce_is_used(rail: Rail, score: int) -> None:
    with pytest.raises(BadInput, match="between 0 and 100"):
        registry.enqueue_update(rail.user(1), score, "0x" + "cd" * 32, True, now=rail.clock.now())
    assert rail.sql("SELECT count(*) FROM evm_nonce_slot") == [(0,)]
