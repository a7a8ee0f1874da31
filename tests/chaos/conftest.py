"""Rails of real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fiatrails.cli.local.postgres import EmbeddedPostgres
from tests.kit.rail import Rail, compliant_users, rpc
from tests.kit.services import AnvilFactory, DeployedChain, deploy_to

RailFactory = Callable[..., Rail]


@pytest.fixture
def rail_factory(
    services_dir: Path, postgres: EmbeddedPostgres, deployed_chain: DeployedChain, request: pytest.FixtureRequest
) -> Iterator[RailFactory]:
    """Makes rails on the session's durable PostgreSQL and its chain; stops their processes afterwards."""
    made: list[Rail] = []

    def make(**options: object) -> Rail:
        name = f"{request.node.originalname}_{len(made)}"[-60:]
        rail = Rail(services_dir / name, postgres, options.pop("chain", deployed_chain), name, **options)  # type: ignore[arg-type]
        made.append(rail)
        return rail

    yield make
    for rail in made:
        rail.close()


@pytest.fixture
def own_chain(anvil_factory: AnvilFactory, services_dir: Path, request: pytest.FixtureRequest) -> DeployedChain:
    """A chain that the test may break."""
    return deploy_to(anvil_factory(block_time=1.0), directory=services_dir / f"chain-{request.node.originalname}")


@pytest.fixture(scope="session")
def quick_postgres(services_dir: Path) -> Iterator[EmbeddedPostgres]:
    """fsync off is sound here: only processes die, never the machine."""
    with EmbeddedPostgres(services_dir / "pg-crash", fsync=False) as server:
        yield server
        server.stop("immediate")


@pytest.fixture(scope="session")
def still_chain(anvil_factory: AnvilFactory, services_dir: Path) -> DeployedChain:
    """A chain that mines only when asked."""
    return deploy_to(anvil_factory(block_time=0.2), directory=services_dir / "still-chain")


@pytest.fixture
def still_rail(
    tmp_path: Path, quick_postgres: EmbeddedPostgres, still_chain: DeployedChain
) -> Callable[[str], tuple[Rail, str]]:
    def make(name: str) -> tuple[Rail, str]:
        rpc(still_chain, "evm_setIntervalMining", 1)
        [user] = compliant_users(still_chain, 1)
        rpc(still_chain, "evm_setIntervalMining", 0)
        return Rail(tmp_path / name, quick_postgres, still_chain, name), user

    return make
