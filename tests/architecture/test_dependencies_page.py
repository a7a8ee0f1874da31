"""docs/reference/dependencies.md gives a reason for every direct dependency, and for nothing else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "reference" / "dependencies.md").read_text(encoding="utf-8")
GROUPS = {
    "## At run time": PROJECT["project"]["dependencies"],
    "## For the local stack (`local`)": PROJECT["project"]["optional-dependencies"]["local"],
    "## For development (`dev`)": PROJECT["dependency-groups"]["dev"],
}


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None, requirement
    return match[0].lower()


@pytest.mark.parametrize("heading", GROUPS, ids=lambda heading: heading.removeprefix("## "))
def test_every_direct_dependency_has_its_reason(heading: str) -> None:
    section = PAGE.split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE)
    assert [name for name, _ in rows] == sorted(name_of(requirement) for requirement in GROUPS[heading])
    assert all(len(reason) >= 12 for _, reason in rows)


def test_no_group_of_the_project_is_left_out() -> None:
    assert set(PROJECT["project"]["optional-dependencies"]) == {"local"}
    assert set(PROJECT["dependency-groups"]) == {"dev"}
