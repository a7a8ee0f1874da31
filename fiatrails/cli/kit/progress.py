"""Progress on stderr, and waiting for the rail to settle something."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from fiatrails.cli.kit import render

Seen = TypeVar("Seen")
POLL_S = 0.25


@contextmanager
def bar(label: str, *, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar for people; nothing at all when nobody watches. Yields a function that takes how much is done."""
    if not sys.stderr.isatty() or total <= 0:
        yield lambda _done: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=render.progress_console(), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done: progress.update(task, completed=done)


def until(
    ask: Callable[[], Seen], *, enough: Callable[[Seen], bool], describe: Callable[[Seen], str], timeout_s: float
) -> tuple[Seen, bool]:
    """Asks until the answer is enough or the time is over; tells on stderr whenever `describe` changes.

    Returns the last answer and whether it was enough.
    """
    deadline = time.monotonic() + timeout_s
    told = ""
    while True:
        seen = ask()
        line = describe(seen)
        if line != told:
            render.note(line)
            told = line
        if enough(seen):
            return seen, True
        if time.monotonic() >= deadline:
            return seen, False
        time.sleep(POLL_S)
