"""The published document means what it meant when it was written by hand: paths, answers, fields, types, headers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fiatrails.api.openapi.document import document
from tests.unit.api.meaning import distil

PUBLISHED: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "openapi_meaning.json").read_text())


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    return distil(json.loads(json.dumps(document())))


def test_the_same_things_are_described(said: dict[str, Any]) -> None:
    assert sorted(said) == sorted(PUBLISHED)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_each_is_described_as_before(said: dict[str, Any], name: str) -> None:
    assert said[name] == PUBLISHED[name]
