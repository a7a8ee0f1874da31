"""What a sanctions list says, whatever file format it came in. Values: `formats` makes them, `matching` reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class EntityType(StrEnum):
    """What kind of thing is listed. OFAC leaves the type of organisations empty (`-0-`)."""

    PERSON = "person"
    ORGANIZATION = "organization"
    VESSEL = "vessel"
    AIRCRAFT = "aircraft"


class NameKind(StrEnum):
    """How a name belongs to its entity. `WEAK` is a broad or generic alias, which OFAC puts between quotation marks
    in the remarks and of which it says that it is no reason by itself to suspect a match."""

    PRIMARY = "primary"
    AKA = "aka"
    FKA = "fka"
    NKA = "nka"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class ListedName:
    """`text` as listed, family name first and then a comma for persons ("YAN, Xiaobing")."""

    text: str
    kind: NameKind


@dataclass(frozen=True, slots=True)
class DateRange:
    """A date as far as it is known: a day, a month, a year, "circa" (a year each side) or a range. Both ends count."""

    earliest: date
    latest: date


@dataclass(frozen=True, slots=True)
class Identifier:
    """A passport, tax or registration number, a vessel's IMO number, an e-mail address. `country` is ISO alpha-2, or
    empty when none is stated or known."""

    kind: str
    number: str
    country: str = ""


@dataclass(frozen=True, slots=True)
class Wallet:
    """A digital currency address under the ticker that the list gives it, which does not always name its chain."""

    asset: str
    address: str


@dataclass(frozen=True, slots=True)
class ListedEntity:
    """One entry of a list. `uid` is "SOURCE:NUMBER" and may change when OFAC re-lists; `countries` are the ISO alpha-2
    codes of nationality, citizenship and addresses; `remarks` whole, with what the comments file continues."""

    uid: str
    type: EntityType
    names: tuple[ListedName, ...]
    programs: tuple[str, ...] = ()
    title: str = ""
    births: tuple[DateRange, ...] = ()
    birth_places: tuple[str, ...] = ()
    nationalities: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    identifiers: tuple[Identifier, ...] = ()
    wallets: tuple[Wallet, ...] = ()
    remarks: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """Return the primary name."""
        return self.names[0].text
