"""What a benchmark reports, and where it is kept."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

LATEST = Path(__file__).parent / "latest.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` is the median of `samples`; `limit` was measured in the same run (or is the goal, where a goal is a
    ratio); `ratio` is value / limit."""

    name: str
    value: float
    unit: str
    limit: float
    ratio: float
    samples: list[float]


def figure(name: str, samples: Sequence[float], unit: str, limit: float) -> Figure:
    """Return a figure from its samples."""
    value = statistics.median(samples)
    return Figure(name, round(value, 3), unit, round(limit, 3), round(value / limit, 3), [round(s, 3) for s in samples])


def median_of(repeat: int, measure: Callable[[], float]) -> list[float]:
    """`repeat` samples."""
    return [measure() for _ in range(repeat)]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def keep(figures: Sequence[Figure]) -> None:
    """Write the figures into latest.json, beside those of other groups."""
    known = {entry["name"]: entry for entry in json.loads(LATEST.read_text())} if LATEST.exists() else {}
    known |= {each.name: asdict(each) for each in figures}
    LATEST.write_text(json.dumps(list(known.values()), indent=2) + "\n")


def show(figures: Sequence[Figure], notes: Sequence[str] = ()) -> None:
    """Print the figures."""
    table = Table("figure", "value", "unit", "limit", "ratio", "samples")
    for each in figures:
        samples = " ".join(f"{sample:g}" for sample in each.samples[:8])
        table.add_row(each.name, f"{each.value:g}", each.unit, f"{each.limit:g}", f"{each.ratio:g}", samples)
    console = Console()
    console.print(table)
    for note in notes:
        console.print(note, markup=False)
