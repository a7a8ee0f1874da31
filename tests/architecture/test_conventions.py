"""Conventions that a linter does not know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(p for p in (ROOT / "fiatrails").rglob("*.py") if "migrations" not in p.parts)
CLOCK_CALLS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("timezone", "now"),
}


def calls(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            yield node.func.value.id, node.func.attr, node.lineno


def test_only_the_clock_reads_the_time() -> None:
    """Process management and the composition roots are not domain code; everything else is given the time."""
    offenders = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        if path.name != "clock.py" and "local" not in path.parts
        for owner, name, line in calls(ast.parse(path.read_text()))
        if (owner, name) in CLOCK_CALLS
    ]
    assert offenders == []


def test_no_sql_asks_the_database_for_the_time() -> None:
    pattern = re.compile(
        r"\b(now\(\)|CURRENT_TIMESTAMP|CURRENT_DATE|clock_timestamp\(\)|statement_timestamp\(\))",
        re.IGNORECASE,
    )
    offenders = []
    # The clock of the workers measures it, in that one module.
    sources = set((ROOT / "fiatrails").rglob("*.py")) - {ROOT / "fiatrails" / "engine" / "database_clock.py"}
    for path in sorted(sources):
        for node in ast.walk(ast.parse(path.read_text())):
            sql = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if "SELECT" in sql.upper() and pattern.search(sql):
                offenders.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert offenders == []


def test_nothing_is_kept_in_a_session_of_the_database() -> None:
    """Behind a pooler in transaction mode the session is somebody else's with the next transaction."""
    pattern = re.compile(
        r"pg_(try_)?advisory_(un)?lock(_shared)?\(|^\s*SET (?!LOCAL|TRANSACTION)|^\s*(PREPARE|DECLARE|LISTEN) "
    )
    # The listener has a connection to the server itself.
    sources = set(SOURCES) - {ROOT / "fiatrails" / "engine" / "wakeup.py"}
    offenders = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted(sources)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.search(node.value)
    ]
    assert offenders == []


def test_only_compliance_issues_clearances() -> None:
    offenders = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if "Clearance.issue" in path.read_text() and "compliance" not in path.parts
    ]
    assert offenders == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_readable(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 400, f"{path.name} has {len(lines)} lines; split it"
    assert not any(re.search(r"\b(TODO|FIXME|XXX)\b", line) for line in lines)


def test_the_median_function_is_short() -> None:
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert lengths[len(lengths) // 2] <= 11
