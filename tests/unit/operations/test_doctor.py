"""The runner of the doctor: every check is asked, and one that raises is a finding under its own name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from fiatrails.kernel.conf import Config
from fiatrails.kernel.errors import Misconfigured
from fiatrails.operations.doctor import (
    CHECKS,
    CheckResult,
    Context,
    DeploymentCheck,
    Findings,
    Level,
    run_checks,
    unreadable,
)

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def test_a_check_that_raises_keeps_what_it_found_and_its_name(configure: Callable[..., Config]) -> None:
    def half(_context: Context) -> Findings:
        yield CheckResult("first", Level.OK, "fine")
        raise RuntimeError("hidden")

    def after(context: Context) -> Findings:
        yield CheckResult("after", Level.OK, context.now.isoformat())

    found = run_checks(configure(), now=NOW, checks=[DeploymentCheck("halves", half), DeploymentCheck("after", after)])
    assert [(result.name, result.level) for result in found] == [
        ("first", Level.OK),
        ("halves", Level.FAIL),
        ("after", Level.OK),
    ]
    assert found[1].message == "the check itself failed: RuntimeError"


def test_every_check_is_listed_once_under_a_name_of_its_own() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert {"configuration", "database", "contracts", "signers", "clock"} <= set(names)


def test_a_configuration_that_cannot_be_read_is_the_only_finding() -> None:
    found = unreadable(Misconfigured("no_profile", "there is no profile"))
    assert (found.name, found.level, found.message) == ("configuration", Level.FAIL, "there is no profile")
    assert found.next_step
