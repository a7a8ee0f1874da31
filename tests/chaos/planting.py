"""What a planted bug is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """Replaces the one occurrence of `old` in `path`."""

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """`caught_by`: arguments for pytest, or for the crash driver when they start with `crash:`."""

    name: str
    edits: tuple[Edit, ...]
    caught_by: tuple[str, ...]
