"""Parties as people write them down: dates of birth, and files with a party in each row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import date

from fiatrails.kernel.errors import BadInput
from fiatrails.screening.entities import EntityType
from fiatrails.screening.matching.screening import Party

COLUMNS = ("name", "type", "born", "country", "wallet")


def read_parties(lines: Iterable[str]) -> Iterator[Party]:
    """Return the rows of a CSV file with the columns COLUMNS; without name and wallet it is BadInput, any other may be
    missing. BadInput names the line of a wrong type."""
    reader = csv.DictReader(lines)
    if not set(reader.fieldnames or ()) & {"name", "wallet"}:
        raise BadInput("file_columns", f"the file needs a column name or wallet; it may have {COLUMNS}")
    for row in reader:
        said = {column: (row.get(column) or "").strip() for column in COLUMNS}
        yield Party(
            name=said["name"],
            type=_type(said["type"], reader.line_num),
            born=read_date(said["born"] or None),
            countries=tuple(said["country"].split()),
            wallets=tuple(said["wallet"].split()),
        )


def read_date(said: str | None) -> date | None:
    """Return the day, None for nothing; BadInput when it is no date such as 1977-03-25."""
    try:
        return date.fromisoformat(said) if said else None
    except ValueError:
        raise BadInput("malformed_date", f"{said!r} is no date such as 1977-03-25") from None


def _type(said: str, line: int) -> EntityType | None:
    try:
        return EntityType(said.lower()) if said else None
    except ValueError:
        raise BadInput("file_type", f"line {line}: type is one of {', '.join(EntityType)}, or empty") from None
