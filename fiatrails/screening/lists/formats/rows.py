"""How many malformed rows a file may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fiatrails.kernel.errors import BadInput

TOLERATED = 0.01
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row (of CSV) or entry (of XML) that cannot be read: its line, or 0 where there is none to name, and why."""

    line: int
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}" if self.line else self.why


def require_few(name: str, total: int, malformed: Sequence[Malformed]) -> list[str]:
    """Return a warning for what was left out. BadInput when more than 1 % of the rows cannot be read: then it is
    another kind of file, or a damaged one, and what it still says is not the list."""
    if not malformed:
        return []
    shown = "; ".join(str(row) for row in malformed[:_SHOWN])
    what = f"{name}: {len(malformed)} of {total} rows cannot be read ({shown})"
    if len(malformed) > total * TOLERATED:
        raise BadInput(
            "list_malformed",
            f"{what}, and only 1 % may be; see whether this is OFAC's {name}, download it again and load that",
        )
    return [what]
