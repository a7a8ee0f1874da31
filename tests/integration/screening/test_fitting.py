"""What the matcher has learned comes from the data in the repository and nothing else."""

from __future__ import annotations

from importlib.resources import files

from benchmarks.fit_names import frequencies
from benchmarks.screen import listed


def test_the_frequencies_that_are_shipped_are_those_that_are_counted() -> None:
    shipped = files("fiatrails.screening.matching").joinpath("frequencies.txt").read_text(encoding="utf-8")
    assert "\n".join(frequencies(listed().index)) + "\n" == shipped
