"""Every planted bug is caught by the tests that are there to catch it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.planted_bugs import BUGS, PlantedBug
from tests.kit.rail import ROOT, Rail
from tests.kit.run import RUN_DIR

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
COPIED = ("fiatrails", "sandbox", "tests")
LINKED = ("contracts",)
TESTS_FAILED = 1
PLAIN = ("-p", "no:schemathesis")
RunTests = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, to be broken: one for all, so that only what is planted is compiled anew."""
    directory = tmp_path_factory.mktemp("tree")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        shutil.copytree(ROOT / name, directory / name, ignore=ignore)
    for name in LINKED:
        (directory / name).symlink_to(ROOT / name)
    for name in ("pyproject.toml", "seed.json"):
        shutil.copy(ROOT / name, directory)
    return directory


@contextmanager
def planted(bug: PlantedBug, tree: Path) -> Iterator[None]:
    """The tree with the bug in it, until the block ends."""
    try:
        for edit in bug.edits:
            path = tree / edit.path
            text = path.read_text()
            assert text.count(edit.old) == 1, f"{edit.path} no longer has exactly one {edit.old!r}; plant the bug anew"
            path.write_text(text.replace(edit.old, edit.new))
        yield
    finally:
        for edit in bug.edits:
            shutil.copy2(ROOT / edit.path, tree / edit.path)


@pytest.fixture
def run_tests(tree: Path, cluster: Path, deployed_state: Path) -> RunTests:
    """Runs pytest in the tree; `anew` where the bug is in what makes the database that the tests copy."""
    made = {RUN_DIR: str(cluster.parent)}
    assert deployed_state.parent == cluster.parent

    def run(*arguments: str, anew: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *PLAIN, *arguments],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), **({} if anew else made)},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    return run


def test_what_catches_them_passes_without_them(run_tests: RunTests) -> None:
    """Otherwise a test that always fails would count as one that catches."""
    arguments = [argument for bug in BUGS if not bug.caught_by[0].startswith("crash:") for argument in bug.caught_by]
    result = run_tests(*dict.fromkeys(arguments))
    assert result.returncode == 0, f"{result.stdout[-2000:]}{result.stderr[-2000:]}"


@pytest.mark.parametrize("bug", [b for b in BUGS if not b.caught_by[0].startswith("crash:")], ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: PlantedBug, tree: Path, run_tests: RunTests) -> None:
    with planted(bug, tree):
        result = run_tests(*bug.caught_by, anew=any("/migrations/" in edit.path for edit in bug.edits))
    caught = result.returncode == TESTS_FAILED and "FAILED " in result.stdout
    assert caught, f"not caught: {result.stdout[-2000:]}{result.stderr[-2000:]}"


@pytest.mark.parametrize("bug", [b for b in BUGS if b.caught_by[0].startswith("crash:")], ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught_by_the_crash_points(
    bug: PlantedBug, tree: Path, still_rail: Callable[[str], tuple[Rail, str]]
) -> None:
    # A database of its own: what another bug left there would be found first.
    rail, user = still_rail(f"planted_{BUGS.index(bug)}")
    only = bug.caught_by[0].split(":", 1)[1]
    with planted(bug, tree):
        result = subprocess.run(
            [sys.executable, "-m", "tests.chaos.crash_driver", "--user", user, "--only", only],
            env={**rail.environment, "PYTHONPATH": str(tree)},
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    assert result.returncode == TESTS_FAILED, f"not caught: {result.stdout[-2000:]}{result.stderr[-2000:]}"
    assert "FAILED at boundary" in result.stdout, result.stderr[-2000:]
