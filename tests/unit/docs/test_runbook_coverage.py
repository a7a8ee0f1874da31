"""docs/reference/runbook-coverage.md names only tests that exist, and says of every line where it stands."""

from __future__ import annotations

import re

import pytest

from tests.unit.docs.pages import ROOT, tables

PAGE = ROOT / "docs" / "reference" / "runbook-coverage.md"
ROWS = [row for table in tables(PAGE) for row in table]
_WITHOUT_A_TEST = ("not yet", "no test yet", "nothing of ours to prove")


def test_every_row_has_a_line_a_counterpart_and_a_standing() -> None:
    assert len(ROWS) > 100
    for row in ROWS:
        assert len(row) == 3, row
        assert all(row), row
        assert row[2] in _WITHOUT_A_TEST or re.fullmatch(r"`[^`]+::[^`]+`(, `[^`]+::[^`]+`)*", row[2]), row


@pytest.mark.parametrize("name", sorted({name for row in ROWS for name in re.findall(r"`([^`]+::[^`]+)`", row[2])}))
def test_every_named_test_exists(name: str) -> None:
    path, _, function = name.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^\s*(def|function) {re.escape(function)}\(", text, re.MULTILINE)


def test_what_is_not_served_is_not_called_proven() -> None:
    wrong = [row[0] for row in ROWS if row[1] == "not yet" and row[2] != "not yet"]
    assert wrong == []
