"""Describe what every simulator is given at its start."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where a simulator listens, where its journal lives, and the seed of its identifiers and faults."""

    name: str
    host: str
    port: int
    state_dir: Path
    seed: str
