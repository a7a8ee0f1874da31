"""What is printed: for programs one document, for people tables that hide and cut nothing."""

from __future__ import annotations

import json

import pytest

from fiatrails.cli.chains.nonces import _ranges
from fiatrails.cli.kit import render

INTENT = "0x" + "5e" * 32


def test_json_is_one_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    render.emit(True, {"name": "Wanjikũ", "value": 1}, "never shown")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"name": "Wanjikũ", "value": 1}
    assert "Wanjikũ" in printed.out
    assert printed.err == ""


def test_long_values_are_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    render.emit(False, {}, render.table(("intent", "note"), [(INTENT, "x" * 300)]))
    out = capsys.readouterr().out
    assert INTENT in out
    assert "x" * 300 in out


def test_brackets_in_data_are_data(capsys: pytest.CaptureFixture[str]) -> None:
    render.emit(False, {}, "[red]oops[/red]", render.table(("a",), [("[bold]",)]), render.fields({"k": "[dim]"}))
    out = capsys.readouterr().out
    assert "[red]oops[/red]" in out
    assert "[bold]" in out
    assert "[dim]" in out


def test_empty_values_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    render.emit(False, {}, render.fields({"reason": None, "hold": "", "attempts": 0}))
    out = capsys.readouterr().out
    assert "reason" not in out
    assert "hold" not in out
    assert "attempts" in out


def test_notes_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    render.note("waiting")
    assert capsys.readouterr() == ("", "waiting\n")


@pytest.mark.parametrize(("nonces", "shown"), [((4, 5, 6, 9), "4-6, 9"), ((1,), "1"), ((), ""), ((3, 1, 2), "1-3")])
def test_runs_of_nonces_are_joined(nonces: tuple[int, ...], shown: str) -> None:
    assert _ranges(nonces) == shown
