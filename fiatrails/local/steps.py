"""Progress for people: each step as it ends, with the time it took."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console


class Steps:
    """Prints steps and remembers how long each took. Times are seconds since this object was made."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.took: dict[str, float] = {}
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        """Run one step; its line appears when it ends."""
        started = time.monotonic()
        yield
        self.took[label] = time.monotonic() - started
        self.say(label, f"{self.took[label]:.2f} s")

    def say(self, label: str, detail: str = "") -> None:
        """Print one line with the time at which it happened."""
        self.console.print(f"[dim]{self.elapsed:7.2f} s[/]  [green]✓[/] {label:<22} {detail}", soft_wrap=True)

    def warn(self, message: str) -> None:
        """Print one line that somebody should read."""
        self.console.print(f"[dim]{self.elapsed:7.2f} s[/]  [yellow]![/] {message}", soft_wrap=True)

    def write(self, path: Path, **totals: float) -> None:
        """Store the times for the benchmark of starts."""
        path.write_text(json.dumps({**totals, "steps": self.took}, indent=2) + "\n")
