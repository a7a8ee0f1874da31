"""Progress for people, and waiting with an end."""

from __future__ import annotations

import io
import sys

import pytest

from fiatrails.cli.kit import progress


class Terminal(io.StringIO):
    """A stream that a person watches."""

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "POLL_S", 0)


def test_a_person_sees_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with progress.bar("entries", total=10) as advance:
        advance(10)
    assert "entries" in terminal.getvalue()
    assert "10/10" in terminal.getvalue()


@pytest.mark.parametrize("total", [0, 10])
def test_a_pipe_sees_nothing(total: int, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.bar("entries", total=total) as advance:
        advance(total)
    assert capsys.readouterr() == ("", "")


def test_waiting_ends_when_the_answer_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([3, 3, 1, 0])
    seen, settled = progress.wait_until(
        lambda: next(answers), enough=lambda left: left == 0, describe=lambda left: f"{left} left", timeout_s=60
    )
    assert (seen, settled) == (0, True)
    assert capsys.readouterr().err == "3 left\n1 left\n0 left\n"


def test_waiting_ends_when_the_time_is_over() -> None:
    seen, settled = progress.wait_until(lambda: 3, enough=lambda left: left == 0, describe=str, timeout_s=0)
    assert (seen, settled) == (3, False)
