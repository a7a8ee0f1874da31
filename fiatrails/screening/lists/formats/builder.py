"""One entry while it is being read from its rows or elements, and what it becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from fiatrails.screening.entities import (
    DateRange,
    EntityType,
    Identifier,
    ListedEntity,
    ListedName,
    NameKind,
    Wallet,
)
from fiatrails.screening.lists.formats.identifiers import identifier
from fiatrails.screening.lists.formats.remarks import Remarks, country_codes

Found = TypeVar("Found")
# The words of the CSV files and those of the XML.
_TYPES = {
    "": EntityType.ORGANIZATION,
    "entity": EntityType.ORGANIZATION,
    "individual": EntityType.PERSON,
    "vessel": EntityType.VESSEL,
    "aircraft": EntityType.AIRCRAFT,
}
_KINDS = {"aka": NameKind.AKA, "fka": NameKind.FKA, "nka": NameKind.NKA}


@dataclass(slots=True)
class EntityBuilder:
    """What is known so far. `names` keeps the first kind that a name was given under, so a strong alias stays strong
    when the remarks repeat it as a weak one."""

    uid: str
    type: EntityType
    names: dict[str, NameKind]
    programs: list[str] = field(default_factory=list)
    title: str = ""
    births: list[DateRange] = field(default_factory=list)
    birth_places: list[str] = field(default_factory=list)
    nationalities: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    identifiers: list[Identifier] = field(default_factory=list)
    wallets: list[Wallet] = field(default_factory=list)
    remarks: str = ""

    def add_name(self, text: str, kind: NameKind) -> None:
        """Add a name under the kind that it was first given."""
        if text:
            self.names.setdefault(text, kind)

    def add_remarks(self, text: str, said: Remarks) -> None:
        """Add the remarks and what was read from them."""
        self.remarks = text.strip()
        self.births += said.births
        self.birth_places += said.birth_places
        self.nationalities += said.nationalities
        self.identifiers += said.identifiers
        self.wallets += said.wallets
        for name in said.weak_names:
            self.add_name(name, NameKind.WEAK)

    def add_flag(self, country: str) -> None:
        """Add the flag of a vessel, which is its nationality."""
        self.nationalities += country_codes([country])

    def add_call_sign(self, text: str) -> None:
        """Add the call sign of a vessel."""
        self.identifiers += filter(None, [identifier("call sign", text)])

    def entity(self) -> ListedEntity:
        """Return the finished value, each thing once and in the order it was found."""
        return ListedEntity(
            uid=self.uid,
            type=self.type,
            names=tuple(ListedName(text, kind) for text, kind in self.names.items()),
            programs=_once(self.programs),
            title=self.title,
            births=_once(self.births),
            birth_places=_once(self.birth_places),
            nationalities=_once(self.nationalities),
            countries=_once([*self.nationalities, *self.countries]),
            identifiers=_once(self.identifiers),
            wallets=_once(self.wallets),
            remarks=self.remarks,
        )


def entity_type(word: str) -> EntityType:
    """Return the type: "individual" -> PERSON; OFAC leaves the type of organisations empty, and so is one that it never
    used before."""
    return _TYPES.get(word.strip().casefold(), EntityType.ORGANIZATION)


def name_kind(word: str, *, weak: bool = False) -> NameKind:
    """Return the kind of a name: "aka", "f.k.a."; an alias of an unknown kind is an alias."""
    return NameKind.WEAK if weak else _KINDS.get(word.strip().casefold().replace(".", ""), NameKind.AKA)


def _once(found: list[Found]) -> tuple[Found, ...]:
    return tuple(dict.fromkeys(found))
