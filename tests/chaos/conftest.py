"""Rails of real processes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.rail import Rail, compliant_users, rpc
from tests.kit.services import ChainFactory, DeployedChain, copy_cluster

RailFactory = Callable[..., Rail]


def short_name(request: pytest.FixtureRequest) -> str:
    """The test's name as a database or a directory may be called; its end tells apart tests whose names begin alike."""
    name = str(request.node.name)
    return f"{re.sub(r'[^a-z0-9]+', '_', name.lower())[:40]}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"


@pytest.fixture
def rail_factory(
    services_dir: Path, postgres: EmbeddedPostgres, own_chain: DeployedChain, request: pytest.FixtureRequest
) -> Iterator[RailFactory]:
    """Makes rails on the session's durable PostgreSQL and the test's chain; stops their processes afterwards."""
    made: list[Rail] = []

    def make(**options: object) -> Rail:
        name = f"{short_name(request)}_{len(made)}"
        rail = Rail(services_dir / name, postgres, own_chain, name, **options)  # type: ignore[arg-type]
        made.append(rail)
        return rail

    yield make
    for rail in made:
        rail.close()


@pytest.fixture
def own_chain(chain_factory: ChainFactory, services_dir: Path, request: pytest.FixtureRequest) -> DeployedChain:
    """A chain of the test's own: the invariants count every mint on it, and the test may break it."""
    return chain_factory(services_dir / f"chain-{short_name(request)}", block_time=1.0)


@pytest.fixture(scope="session")
def quick_postgres(services_dir: Path, cluster: Path) -> Iterator[EmbeddedPostgres]:
    """fsync off is sound here: only processes die, never the machine."""
    with EmbeddedPostgres(copy_cluster(cluster, services_dir / "pg-crash"), fsync=False) as server:
        yield server
        server.stop("immediate")


@pytest.fixture
def still_chain(chain_factory: ChainFactory, services_dir: Path, request: pytest.FixtureRequest) -> DeployedChain:
    """A chain that mines only when asked."""
    return chain_factory(services_dir / f"still-{short_name(request)}", block_time=0.2)


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
