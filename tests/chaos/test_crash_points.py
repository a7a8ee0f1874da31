"""Layer 1: the core path is killed at every boundary, before and after, and recovers every time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.kit.rail import ROOT, Rail

pytestmark = pytest.mark.chaos


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
