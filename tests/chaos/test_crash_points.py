"""Layer 1: the core path is killed at every boundary, before and after, and recovers every time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fiatrails.cli.local.postgres import EmbeddedPostgres
from tests.kit.rail import ROOT, Rail, compliant_users, rpc
from tests.kit.services import AnvilFactory, DeployedChain, deploy_to

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def quick_postgres(services_dir: Path) -> EmbeddedPostgres:
    """fsync off is sound here: only processes die, never the machine."""
    with EmbeddedPostgres(services_dir / "pg-crash", fsync=False) as server:
        yield server
        server.stop("immediate")


@pytest.fixture(scope="module")
def still_chain(anvil_factory: AnvilFactory, services_dir: Path) -> DeployedChain:
    """A chain that mines only when asked."""
    chain = deploy_to(anvil_factory(block_time=0.2), directory=services_dir / "still-chain")
    return chain


def run_driver(rail: Rail, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos.crash_driver", "--user", user, *arguments],
        env={**rail.environment, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )


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


@pytest.mark.timeout(1800)
def test_a_kill_at_any_boundary_of_the_core_path_is_recovered(
    still_rail: Callable[[str], tuple[Rail, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    rail, user = still_rail("crashpoints")
    result = run_driver(rail, user)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    report = json.loads(result.stdout.splitlines()[-1])
    with capsys.disabled():
        print(f"\ncrash points: {json.dumps(report)}", end=" ")
    assert report["boundaries"] >= 50
    assert report["kills"] == 2 * report["boundaries"]
    rail.require_invariants(minted=report["strikes"] + 2)
