"""Rows as PostgreSQL reads them from one JSON text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from fiatrails.kernel.rows import json_rows


def test_times_bytes_and_numbers_of_any_size_are_written_as_postgresql_reads_them() -> None:
    row = {"at": datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC), "raw": b"\x00\xff", "amount": 2**256, "no": None}
    assert json.loads(json_rows([row, {}])) == [
        {"at": "2026-11-01T12:00:00.123456+00:00", "raw": "00ff", "amount": 2**256, "no": None},
        {},
    ]


@pytest.mark.parametrize("value", [Decimal(1), {1}, object()])
def test_what_would_be_written_another_way_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        json_rows([{"value": value}])
