"""Every planted bug is caught by the tests that are there to catch it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.planted_bugs import BUGS, PlantedBug
from tests.kit.rail import ROOT, Rail

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
COPIED = ("fiatrails", "sandbox", "tests")
LINKED = ("contracts",)
TESTS_FAILED = 1


def scratch_copy(directory: Path) -> Path:
    """The tree, to be broken."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        shutil.copytree(ROOT / name, directory / name, ignore=ignore)
    for name in LINKED:
        (directory / name).symlink_to(ROOT / name)
    for name in ("pyproject.toml", "seed.json"):
        shutil.copy(ROOT / name, directory)
    return directory


def plant(bug: PlantedBug, tree: Path) -> None:
    for edit in bug.edits:
        path = tree / edit.path
        text = path.read_text()
        assert text.count(edit.old) == 1, f"{edit.path} no longer has exactly one {edit.old!r}; plant the bug anew"
        path.write_text(text.replace(edit.old, edit.new))


def run_tests(tree: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_what_catches_them_passes_without_them(tmp_path: Path) -> None:
    """Otherwise a test that always fails would count as one that catches."""
    arguments = [argument for bug in BUGS if not bug.caught_by[0].startswith("crash:") for argument in bug.caught_by]
    result = run_tests(scratch_copy(tmp_path / "tree"), tuple(dict.fromkeys(arguments)))
    assert result.returncode == 0, f"{result.stdout[-2000:]}{result.stderr[-2000:]}"


@pytest.mark.parametrize("bug", [b for b in BUGS if not b.caught_by[0].startswith("crash:")], ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: PlantedBug, tmp_path: Path) -> None:
    tree = scratch_copy(tmp_path / "tree")
    plant(bug, tree)
    result = run_tests(tree, bug.caught_by)
    caught = result.returncode == TESTS_FAILED and "FAILED " in result.stdout
    assert caught, f"not caught: {result.stdout[-2000:]}{result.stderr[-2000:]}"


@pytest.mark.parametrize("bug", [b for b in BUGS if b.caught_by[0].startswith("crash:")], ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught_by_the_crash_points(
    bug: PlantedBug, tmp_path: Path, still_rail: Callable[[str], tuple[Rail, str]]
) -> None:
    tree = scratch_copy(tmp_path / "tree")
    plant(bug, tree)
    # A database of its own: what another bug left there would be found first.
    rail, user = still_rail(f"planted_{BUGS.index(bug)}")
    result = subprocess.run(
        [sys.executable, "-m", "tests.chaos.crash_driver", "--user", user, "--only", bug.caught_by[0].split(":", 1)[1]],
        env={**rail.environment, "PYTHONPATH": str(tree)},
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == TESTS_FAILED, f"not caught: {result.stdout[-2000:]}{result.stderr[-2000:]}"
    assert "FAILED at boundary" in result.stdout, result.stderr[-2000:]
