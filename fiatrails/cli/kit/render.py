"""What a command says: one JSON document on stdout with --json, else tables; diagnostics go to stderr."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# A pipe has no width; lines that a program reads must not be folded.
_PIPE_WIDTH = 10_000


def emit(json: bool, document: object, *human: RenderableType) -> None:
    """Print the command's answer, for a program or for a person."""
    if json:
        sys.stdout.write(as_json(document) + "\n")
        sys.stdout.flush()
        return
    console = _console(stderr=False)
    for part in human:
        console.print(part, markup=False)


def as_json(document: object) -> str:
    """Return a document as text that people can read as well."""
    return json_module.dumps(document, indent=2, ensure_ascii=False)


def note(text: str) -> None:
    """Print a line for the person in front of the terminal, on stderr, so that it never mixes with the answer."""
    typer.echo(text, err=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> RenderableType:
    """Lay rows out under headings; long values are folded and never cut."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in shown.columns:
        column.overflow = "fold"
    for row in rows:
        shown.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return shown


def fields(values: Mapping[str, object]) -> RenderableType:
    """Lay names and values out, one to a line; what is empty is left out."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in values.items():
        if value not in (None, "", []):
            grid.add_row(name, Text(str(value)))
    return grid


def error_document(code: str, message: str, exit_code: int) -> str:
    """Return what stands on stdout in place of the answer when a --json command fails."""
    return as_json({"error": code, "message": message, "exitCode": int(exit_code)})


def progress_console() -> Console:
    """Return where progress goes: stderr, and only a terminal sees it move."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    class Quiet(Console):
        """Leaves a broken pipe to the one place that knows what to do about it."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    stream = sys.stderr if stderr else sys.stdout
    return Quiet(stderr=stderr, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)
