"""What `fiatrails up` does while it stays: parts that end are started again, and one that does not start is no end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from fiatrails.local.postgres import PostgresFailedError
from fiatrails.local.stack import Stack
from fiatrails.local.state import StateDir


class Ending:
    """A part that has ended and starts at the try of that number; then a person presses Ctrl-C."""

    def __init__(self, starts_at: int) -> None:
        self.starts_at = starts_at
        self.tries = 0

    def is_alive(self) -> bool:
        if self.tries >= self.starts_at:
            raise KeyboardInterrupt
        return False

    def start(self) -> None:
        self.tries += 1
        if self.tries < self.starts_at:
            raise PostgresFailedError("its memory is still in use")

    def stop(self) -> None:
        """Nothing to stop."""


def watched(part: Ending, directory: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.setattr("fiatrails.local.stack._WATCH_SECONDS", 0.001)
    said = io.StringIO()
    stack = Stack(StateDir(directory), Console(file=said, width=200))
    monkeypatch.setattr(stack, "_parts", lambda: {"postgres": part})
    return stack._watch(), said.getvalue()


def test_a_part_that_does_not_start_at_once_is_tried_again_and_the_stack_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = Ending(starts_at=3)
    code, said = watched(part, tmp_path, monkeypatch)
    assert (code, part.tries) == (0, 3)
    assert said.count("postgres did not start: its memory is still in use") == 2


def test_a_part_that_never_starts_ends_the_stack_and_says_where_its_log_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = watched(Ending(starts_at=100), tmp_path, monkeypatch)
    assert code == 1
    assert "postgres keeps ending; see" in said
