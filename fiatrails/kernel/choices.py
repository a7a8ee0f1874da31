"""Names of states as people type them, held against the states that there are."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from fiatrails.kernel.errors import BadInput


def parse_states(given: Collection[str], kinds: type[Enum]) -> list[str]:
    """Return the names that were given; BadInput names those that are no value of `kinds`, and what there is."""
    names = [kind.value for kind in kinds]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise BadInput("unknown_state", f"unknown state {', '.join(unknown)}; known: {', '.join(names)}")
    return list(given)
