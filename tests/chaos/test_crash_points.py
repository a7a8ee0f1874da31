"""Layer 1: the core path is struck at every boundary, HTTP included, and recovers; so is its recovery, and recovers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.boundaries import How
from tests.chaos.crash_plan import all_pairs, chosen, codes, sampled_pairs, singles, strikes_of
from tests.kit.rail import ROOT, Rail

pytestmark = pytest.mark.chaos
SEED = 20_261_122
# Other arguments for the driver, without limits of time and without a plan to compare with.
ASKED = tuple(os.environ.get("CRASH_POINTS", "").split())
# 13 exchanges, 16 commits and 41 writes that commit by themselves are among them.
LEAST_BOUNDARIES = 210
# Two that warm up and the one that is counted.
WALKS_UNSTRUCK = 3
# What only a walk through the API crosses: quotas, idempotency keys, the inbox on its thread, the callers' own lines.
OF_THE_API = {
    "http POST /api/v1/mint-intents",
    "http POST /api/v1/callbacks/mpesa",
    "sql INSERT INTO api_rate_counter (commits)",
    "sql INSERT INTO idempotency_keys",
    "sql WITH arrivals AS @group-commit",
    "sql COMMIT @group-commit",
}


def run_driver(rail: Rail, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos.crash_driver", "--user", user, *arguments],
        env={**rail.environment, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=None if ASKED else 1500,
    )


@pytest.mark.timeout(0 if ASKED else 1800)
def test_a_strike_at_any_boundary_and_a_kill_of_its_recovery_are_recovered(
    still_rail: Callable[[str], tuple[Rail, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    rail, user = still_rail("crashpoints")
    result = run_driver(rail, user, *(ASKED or ("--pairs", "each", "--seed", str(SEED))))
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    report = json.loads(result.stdout.splitlines()[-1])
    labels = report.pop("labels")
    with capsys.disabled():
        print(f"\ncrash points: {json.dumps(report)}", end=" ")
    if not ASKED:
        require_planned(report, labels)
    rail.require_invariants(minted=report["walks"])


def require_planned(report: dict[str, Any], labels: list[str]) -> None:
    """Every boundary opens one pair, and what the driver did is what the labels call for."""
    boundaries = len(labels)
    assert boundaries >= LEAST_BOUNDARIES
    assert set(labels) >= OF_THE_API
    planned = Counter(strike.how for strike in singles(labels, range(boundaries)))
    assert planned[How.KILL_BEFORE] == planned[How.KILL_AFTER] == boundaries
    assert planned[How.DUPLICATE] == sum(label.startswith("http") for label in labels)
    assert report["strikes"] == planned.total()
    assert report["pairs"] == boundaries
    assert report["kills"] == planned[How.KILL_BEFORE] + planned[How.KILL_AFTER] + 2 * report["pairs"]
    assert report["walks"] == planned.total() + boundaries + WALKS_UNSTRUCK


LABELS = ["http POST /", "sql SELECT", "sql UPDATE x (commits)", "sql COMMIT @group-commit", "sign"]
RECOVERIES = {(k, how): ["sql SELECT"] * (3 + k) for k in range(5) for how in (How.KILL_BEFORE, How.KILL_AFTER)}


def test_every_boundary_opens_as_many_pairs_as_any_other() -> None:
    pairs = sampled_pairs(LABELS, RECOVERIES, count=12, seed=1)
    assert sorted(Counter(first.number for first, _ in pairs).values()) == [2, 2, 2, 3, 3]
    assert all(second.number < len(RECOVERIES[first.number, first.how]) for first, second in pairs)
    assert all(strike.how.kills for pair in pairs for strike in pair)


def test_the_seed_decides_the_pairs() -> None:
    drawn = [sampled_pairs(LABELS, RECOVERIES, count=20, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_a_boundary_is_decides_what_is_done_to_it() -> None:
    done = Counter(strike.label for strike in singles(LABELS, range(5)))
    assert [done[label] for label in LABELS] == [5, 2, 3, 4, 2]


def test_the_shards_make_up_the_whole() -> None:
    shards = [chosen(LABELS, only="", shard=(index, 3)) for index in range(3)]
    assert sorted(number for shard in shards for number in shard) == list(range(5))
    assert chosen(LABELS, only="COMMIT", shard=(0, 1)) == [3]


def test_all_pairs_strike_every_boundary_of_every_recovery() -> None:
    pairs = list(all_pairs(LABELS, RECOVERIES))
    assert len(set(pairs)) == len(pairs) == sum(len(crossed) + 1 for crossed in RECOVERIES.values())


def test_strikes_are_repeated_as_they_were_named() -> None:
    text = "17:KILL_BEFORE,4:LOSE_REPLY"
    assert codes(strikes_of(text)) == text
