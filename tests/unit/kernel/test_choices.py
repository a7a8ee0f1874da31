"""States by name, as options and query parameters give them."""

from __future__ import annotations

from enum import StrEnum

import pytest

from fiatrails.kernel.choices import parse_states
from fiatrails.kernel.errors import BadInput


class Colour(StrEnum):
    """What there is."""

    RED = "red"
    BLUE = "blue"


def test_known_names_are_taken_as_given_and_unknown_ones_are_named() -> None:
    assert parse_states(["blue", "red"], Colour) == ["blue", "red"]
    with pytest.raises(BadInput, match="unknown state green, teal; known: red, blue"):
        parse_states(["teal", "red", "green"], Colour)
