"""What else is known of a payer beside the name: it confirms or contradicts, beside the name's score."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from fiatrails.screening.entities import DateRange, ListedEntity

# Lists state births in error by a year or two, or by calendar; further apart it is another person.
SAME_PERSON_YEARS = 2
_PLAIN = re.compile(r"[^0-9A-Z]")


class Agreement(StrEnum):
    """What one piece of evidence says."""

    CONFIRMS = "confirms"
    SUPPORTS = "supports"
    CONTRADICTS = "contradicts"


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """`subject` is birth, country or identifier; `detail` reads as a sentence's end."""

    subject: str
    agreement: Agreement
    detail: str


def plain_number(number: str) -> str:
    """Return an identifier without its punctuation: "008-046347-9" and "0080463479" are one."""
    return _PLAIN.sub("", number.upper())


def weigh(
    entity: ListedEntity, *, born: date | None, countries: Iterable[str], identifiers: Iterable[str]
) -> tuple[EvidenceItem, ...]:
    """Return all that can be said; nothing where either side is silent."""
    found = (_birth(entity, born), _country(entity, tuple(countries)), _identifier(entity, tuple(identifiers)))
    return tuple(evidence for evidence in found if evidence)


def _birth(entity: ListedEntity, born: date | None) -> EvidenceItem | None:
    if born is None or not entity.births:
        return None
    listed = " or ".join(_written(birth) for birth in entity.births)
    if any(birth.earliest == birth.latest == born for birth in entity.births):
        return EvidenceItem("birth", Agreement.CONFIRMS, f"born {born}, as listed")
    if any(birth.earliest <= born <= birth.latest for birth in entity.births):
        return EvidenceItem("birth", Agreement.SUPPORTS, f"born {born}, listed {listed}")
    if min(_years_apart(birth, born) for birth in entity.births) > SAME_PERSON_YEARS:
        return EvidenceItem("birth", Agreement.CONTRADICTS, f"born {born}, listed {listed}")
    return None


def _country(entity: ListedEntity, countries: tuple[str, ...]) -> EvidenceItem | None:
    known = set(entity.nationalities) | set(entity.countries)
    shared = sorted(known.intersection(countries))
    return EvidenceItem("country", Agreement.SUPPORTS, f"{', '.join(shared)}, as listed") if shared else None


def _identifier(entity: ListedEntity, identifiers: tuple[str, ...]) -> EvidenceItem | None:
    listed = {plain_number(identifier.number): identifier for identifier in entity.identifiers}
    for number in map(plain_number, identifiers):
        if len(number) >= 5 and number in listed:
            return EvidenceItem(
                "identifier", Agreement.CONFIRMS, f"{listed[number].kind} {listed[number].number}, as listed"
            )
    return None


def _years_apart(birth: DateRange, born: date) -> float:
    days = max((birth.earliest - born).days, (born - birth.latest).days, 0)
    return days / 365.25


def _written(birth: DateRange) -> str:
    return str(birth.earliest) if birth.earliest == birth.latest else f"{birth.earliest} to {birth.latest}"
