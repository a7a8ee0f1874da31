"""What the matcher has learned comes from the data in the repository and nothing else."""

from __future__ import annotations

from importlib.resources import files

import pytest


@pytest.mark.slow
def test_the_frequencies_that_are_shipped_are_those_that_are_counted() -> None:
    # Here, because every process of a run reads this file, and what invents names takes long to import.
    from benchmarks.fit_names import frequencies
    from benchmarks.screen import listed

    shipped = files("fiatrails.screening.matching").joinpath("frequencies.txt").read_text(encoding="utf-8")
    assert "\n".join(frequencies(listed().index)) + "\n" == shipped
