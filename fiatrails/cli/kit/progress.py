"""Progress on stderr, and waiting for the rail to settle something."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from fiatrails.cli.kit import render

if TYPE_CHECKING:
    from rich.progress import TaskID

T = TypeVar("T")
POLL_S = 0.25


@contextmanager
def bar(label: str, *, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar for people; nothing when nobody watches. Yields a function that takes how much is done."""
    if not sys.stderr.isatty() or total <= 0:
        yield lambda _done: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=render.progress_console(), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def downloads() -> Iterator[Callable[[str, int, int | None], None] | None]:
    """Show one bar per file for people; nothing at all when nobody watches. Yields a function that takes a file's name,
    how many bytes are there and how many there will be."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=render.progress_console(), transient=True) as shown:
        tasks: dict[str, TaskID] = {}

        def advance(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = shown.add_task(name, total=total)
            shown.update(tasks[name], completed=done)

        yield advance


def wait_until(
    ask: Callable[[], T], *, enough: Callable[[T], bool], describe: Callable[[T], str], timeout_s: float
) -> tuple[T, bool]:
    """Ask until the answer is enough or the time is over; tell on stderr whenever `describe` changes.

    Returns the last answer and whether it was enough.
    """
    deadline = time.monotonic() + timeout_s
    shown = ""
    while True:
        answer = ask()
        line = describe(answer)
        if line != shown:
            render.note(line)
            shown = line
        if enough(answer):
            return answer, True
        if time.monotonic() >= deadline:
            return answer, False
        time.sleep(POLL_S)
