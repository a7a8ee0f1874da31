"""A database of the version before is migrated, and says and does afterwards what it would have said and done before.

The dump in `tests/data/upgrade` was made by the commit that its README names, of a rail in the middle of its work. The
questions are asked through commands, because tables and models are what a migration changes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit import upgrade
from tests.kit.rail import mints_on_chain
from tests.kit.services import AnvilFactory, described
from tests.kit.upgrade import QUESTIONS, DumpedRail

_SETTLED_WITHIN_S = 90
# Where work that was left half-way in a state ends; all other work ends with a mint.
END_OF = {"refunding": "refunded"}


@pytest.fixture
def rail(services_dir: Path, postgres: EmbeddedPostgres, anvil_factory: AnvilFactory) -> Iterator[DumpedRail]:
    """The dumped rail on a database that was not migrated yet, and on its chain; no process of it runs."""
    made = upgrade.restore(services_dir / "dumped", postgres, anvil_factory)
    yield made
    made.close()


@pytest.mark.slow
def test_a_database_of_the_version_before_migrates_and_finishes_its_work_once(rail: DumpedRail) -> None:
    rail.manage("migrate", "--no-input", "--verbosity", "0")
    rail.manage("makemigrations", "--check", "--dry-run")

    before = upgrade.expected()
    assert rail.findings() == []
    require_same_answers(before["answers"], rail.answers())
    assert rail.modes_in_force() == {"degraded"}

    rail.ask(
        ("mode", "set", "degraded", "off", "--reason", "upgraded", "--yes", "--json"),
        ("dlq", "replay", "--item-id", before["toReplay"]["itemId"], "--yes", "--json"),
    )
    rail.record_currency("KES", "KES")
    rail.start_simulator()
    rail.start_api()
    rail.start_worker()
    ids = {intent["txRef"]: intent["intentId"] for intent in before["answers"]["intents"]["intents"]}
    wanted = {ids[ref]: END_OF.get(state, "executed") for ref, state in before["halfWay"].items()}
    wait_for(rail, lambda: {each: rail.intent_status(each) for each in wanted}, wanted)
    [listed] = rail.ask(QUESTIONS["intents"])
    minted = Counter(mints_on_chain(described(rail.anvil, rail.directory)))
    assert set(minted.values()) == {1}
    assert {intent["intentId"] for intent in listed["intents"] if intent["state"] == "executed"} <= set(minted)
    assert rail.findings() == []


def require_same_answers(before: Any, after: Any, where: str = "") -> None:
    """Whatever was answered before is answered again; later versions may say more."""
    if isinstance(before, dict):
        for name, value in before.items():
            assert name in after, f"{where}.{name} is no longer answered"
            require_same_answers(value, after[name], f"{where}.{name}")
    elif isinstance(before, list):
        assert len(before) == len(after), where
        for number, value in enumerate(before):
            require_same_answers(value, after[number], f"{where}[{number}]")
    else:
        assert after == before, where


def wait_for(rail: DumpedRail, seen: Callable[[], dict[str, str]], wanted: dict[str, str]) -> None:
    deadline = time.monotonic() + _SETTLED_WITHIN_S
    while (now := seen()) != wanted:
        assert time.monotonic() < deadline, f"{now} instead of {wanted}\n{rail.log_tails()}"
        time.sleep(0.1)
