"""OFAC's classic XML (`sdnList`), read as a stream: one entry is in memory at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from typing import TYPE_CHECKING

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from fiatrails.kernel.errors import BadInput
from fiatrails.screening.entities import ListedEntity, NameKind, Wallet
from fiatrails.screening.lists.formats.builder import EntityBuilder, entity_type, name_kind
from fiatrails.screening.lists.formats.countries import alpha2
from fiatrails.screening.lists.formats.dates import read_date
from fiatrails.screening.lists.formats.identifiers import identifier
from fiatrails.screening.lists.formats.remarks import country_codes, read_remarks
from fiatrails.screening.lists.formats.rows import Malformed, require_few

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_WALLET = re.compile(r"Digital\s+Currency\s+Address\s*[-\u2013\u2014:]\s*(?P<asset>\S+)", re.IGNORECASE)
_DAY = re.compile(r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)


@dataclass(slots=True)
class ReadXml:
    """The entities in the order of the file, and the day that it states."""

    entities: list[ListedEntity] = field(default_factory=list)
    published: date | None = None
    warnings: list[str] = field(default_factory=list)


def read_xml(source: str, name: str, data: bytes) -> ReadXml:
    """Read the XML. `source` is the first half of the uids, `name` is for messages. BadInput when it is no such XML,
    declares entities or a DTD, or more than 1 % of the entries that it counts cannot be read."""
    found, malformed = ReadXml(), list[Malformed]()
    stated = 0
    try:
        for kind, element in _elements(name, data):
            if kind == "sdnEntry":
                _read_entry(source, element, found, malformed)
            else:
                found.published, stated = _header(element)
    except ParseError as error:
        line, _ = error.position
        raise BadInput(
            "list_malformed", f"{name}, line {line}: not well-formed XML or cut off; download it again and load that"
        ) from None
    except DefusedXmlException:
        raise BadInput(
            "list_malformed", f"{name} declares entities or a DTD, which OFAC's file never does; do not load it"
        ) from None
    missing = stated - len(found.entities) - len(malformed)
    malformed += [Malformed(0, "counted in Record_Count and not there")] * max(missing, 0)
    found.warnings += require_few(name, len(found.entities) + len(malformed), malformed)
    return found


def _elements(name: str, data: bytes) -> Iterator[tuple[str, Element]]:
    """Yield entries and the header as they end; each is emptied after its turn, and the root holds none."""
    root: Element | None = None
    for event, element in iterparse(BytesIO(data), events=("start", "end"), forbid_dtd=True):
        if root is None:
            root = element
            if _local(root) != "sdnList":
                raise BadInput("list_malformed", f"{name} begins with <{_local(root)[:40]}> and not with <sdnList>")
        elif event == "end" and _local(element) in ("sdnEntry", "publshInformation"):
            yield _local(element), element
            element.clear()
            root.clear()


def _header(element: Element) -> tuple[date | None, int]:
    match = _DAY.fullmatch(_text(element, "Publish_Date"))
    count = _text(element, "Record_Count")
    return _date(match), int(count) if _NUMBER.fullmatch(count) else 0


def _date(match: re.Match[str] | None) -> date | None:
    try:
        return date(int(match["year"]), int(match["month"]), int(match["day"])) if match else None
    except ValueError:
        return None


def _read_entry(source: str, element: Element, found: ReadXml, malformed: list[Malformed]) -> None:
    number, name = _text(element, "uid"), _name(element)
    if not _NUMBER.fullmatch(number) or not name:
        malformed.append(Malformed(0, f"an entry has no name or no uid ({number[:20]!r}, {name[:40]!r})"))
        return
    entry = EntityBuilder(f"{source}:{number}", entity_type(_text(element, "sdnType")), {name: NameKind.PRIMARY})
    entry.title = _text(element, "title")
    entry.programs = [text for item in _list(element, "programList") if (text := _own(item))]
    for aka in _list(element, "akaList"):
        entry.add_name(_name(aka), name_kind(_text(aka, "type"), weak=_text(aka, "category").lower() == "weak"))
    _read_vessel(entry, element)
    _read_origins(entry, element)
    for item in _list(element, "idList"):
        _read_id(entry, item)
    remarks = _text(element, "remarks")
    entry.add_remarks(remarks, read_remarks(remarks))
    found.entities.append(entry.entity())


def _read_vessel(entry: EntityBuilder, element: Element) -> None:
    for vessel in _children(element, "vesselInfo"):
        entry.add_flag(_text(vessel, "vesselFlag"))
        entry.add_call_sign(_text(vessel, "callSign"))


def _read_origins(entry: EntityBuilder, element: Element) -> None:
    """Read births, nationalities, citizenships and the countries of addresses."""
    for item in _list(element, "dateOfBirthList"):
        entry.births += filter(None, [read_date(_text(item, "dateOfBirth"))])
    entry.birth_places += [text for i in _list(element, "placeOfBirthList") if (text := _text(i, "placeOfBirth"))]
    for kind in ("nationalityList", "citizenshipList"):
        entry.nationalities += country_codes(_text(item, "country") for item in _list(element, kind))
    entry.countries += [code for i in _list(element, "addressList") if (code := alpha2(_text(i, "country")))]


def _read_id(entry: EntityBuilder, item: Element) -> None:
    label, number = _text(item, "idType"), _text(item, "idNumber")
    wallet = _WALLET.fullmatch(label)
    if wallet is not None:
        if number:
            entry.wallets.append(Wallet(wallet["asset"].upper(), number))
    elif (read := identifier(label, number, _text(item, "idCountry"))) is not None:
        entry.identifiers.append(read)


def _name(element: Element) -> str:
    last, first = _text(element, "lastName"), _text(element, "firstName")
    return f"{last}, {first}" if last and first else last or first


def _list(element: Element, name: str) -> Iterator[Element]:
    for found in _children(element, name):
        yield from found


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _local(child) == name)


def _text(element: Element, name: str) -> str:
    return next((_own(child) for child in _children(element, name)), "")


def _own(element: Element) -> str:
    return " ".join((element.text or "").split())


def _local(element: Element) -> str:
    """Return the name without its namespace, which OFAC has changed before."""
    return element.tag.rpartition("}")[2]
