"""Lists written as OFAC writes them, for tests: CSV rows, and the classic XML of any entities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from xml.etree.ElementTree import Element, SubElement, tostring

import pycountry

from fiatrails.screening.entities import DateRange, EntityType, ListedEntity, NameKind

CUT = 1_000
_TYPES = {
    EntityType.PERSON: "Individual",
    EntityType.ORGANIZATION: "Entity",
    EntityType.VESSEL: "Vessel",
    EntityType.AIRCRAFT: "Aircraft",
}
_LABELS = {
    "passport": "Passport",
    "national_id": "National ID No.",
    "tax_id": "Tax ID No.",
    "registration": "Registration Number",
    "imo": "Vessel Registration Identification",
    "imo_company": "Company Number",
    "mmsi": "MMSI",
    "email": "Email Address",
    "phone": "Phone Number",
    "fax": "Fax",
    "website": "Website",
    "swift": "SWIFT/BIC",
    "aircraft_tail": "Aircraft Tail Number",
    "aircraft_serial": "Aircraft Manufacturer's Serial Number (MSN)",
    "aircraft_transponder": "Aircraft Mode S Transponder Code",
    "call_sign": "Other Vessel Call Sign",
    "vessel_registration": "Vessel Registration Identification",
    "lei": "Legal Entity Number",
    "duns": "D-U-N-S Number",
    "bik": "BIK (RU)",
    "driving_license": "Driver's License No.",
    "birth_certificate": "Birth Certificate Number",
}


def line(*cells: str | int) -> str:
    """One row: numbers bare, text quoted, nothing as `-0- `."""
    return ",".join(str(c) if isinstance(c, int) else '"' + c.replace('"', '""') + '"' if c else "-0- " for c in cells)


def sdn(number: int, name: str, *, type: str = "", remarks: str = "", **columns: str) -> str:
    """A row of sdn.csv; `columns` are program, title, call_sign, flag."""
    get = columns.get
    return line(
        number,
        name,
        type,
        get("program", "SDGT"),
        get("title", ""),
        get("call_sign", ""),
        "",
        "",
        "",
        get("flag", ""),
        "",
        remarks,
    )


def alt(number: int, name: str, kind: str = "aka", *, alt_number: int = 1) -> str:
    """A row of alt.csv."""
    return line(number, alt_number, kind, name, "")


def add(number: int, country: str) -> str:
    """A row of add.csv."""
    return line(number, 1, "", "Somewhere", country, "")


def csv(*rows: str) -> bytes:
    """A file with OFAC's end mark."""
    return "".join(f"{row}\r\n" for row in rows).encode() + b"\x1a"


def cut(remarks: str) -> tuple[str, str]:
    """What stands in sdn.csv and what in the comments file."""
    return remarks[:CUT], remarks[CUT:]


def varied() -> dict[str, bytes]:
    """A list with something of every kind, cut remarks and their rest included."""
    wallets = "; alt. ".join(f"Digital Currency Address - XBT 1Wallet{n:030d}" for n in range(20))
    head, tail = cut(f"DOB circa 1984; nationality Korea, North; Gender Male; {wallets}; Phone Number 86133.")
    rows = (
        sdn(306, "BANCO NACIONAL DE CUBA", program="CUBA", remarks="a.k.a. 'BNC'."),
        sdn(1001, "YAN, Xiaobing", type="individual", program="SDNTK] [CYBER2", title="Trader", remarks=head),
        sdn(1002, "KIM, Yong Chol", type="individual", remarks="DOB 1946 to 1948; alt. DOB Feb 1945; POB Pyongyang."),
        sdn(
            1003,
            "ABU 'UMAR",
            type="individual",
            remarks="citizen Burma; a.k.a. ''ABD AL-RAHMAN'; Passport RL 16 (Iran).",
        ),
        sdn(1004, "OMAR, Hassan", type="individual", remarks="DOB 10 Apr 1979; National ID No. 23446085 (Kenya)."),
        sdn(1005, "OMAR, Hassan", type="individual", remarks="DOB 11 May 1980; Digital Currency Address - ETH 0xab."),
        sdn(1006, "ARTAVIL", type="vessel", flag="Iran", remarks="Vessel Registration Identification IMO 9187629."),
        sdn(1007, "EP-GOM", type="aircraft", remarks="Aircraft Tail Number N200VR; Permit Number 77 (Malta)."),
        sdn(1008, "11420 CORP.", remarks="Company Number IMO 5055293; Tax ID No. 27-07 (United States); Fax 12."),
    )
    names = (alt(306, "NATIONAL BANK"), alt(1006, "ABADAN", "fka"), alt(1006, "SHONA", "nka"), alt(1001, "YAN, Steven"))
    addresses = (add(306, "Spain"), add(306, "Congo, Democratic Republic of the"))
    return {
        "sdn.csv": csv(*rows),
        "alt.csv": csv(*names),
        "add.csv": csv(*addresses),
        "sdn_comments.csv": csv(line(1001, tail)),
    }


def people(count: int, *, start: int = 1) -> list[str]:
    """Rows of so many persons with different names."""
    return [sdn(n, f"NAME{n}, Given", type="individual") for n in range(start, start + count)]


def xml(
    entities: Sequence[ListedEntity], *, published: str = "11/20/2026", namespace: str = "http://tempuri.org/"
) -> bytes:
    """The classic XML that says the same."""
    root = Element("sdnList", {"xmlns": namespace} if namespace else {})
    header = SubElement(root, "publshInformation")
    _texts(header, Publish_Date=published, Record_Count=str(len(entities)))
    for entity in entities:
        _entry(SubElement(root, "sdnEntry"), entity)
    return b'<?xml version="1.0" standalone="yes"?>\n' + tostring(root)


def _entry(element: Element, entity: ListedEntity) -> None:
    person = entity.type is EntityType.PERSON
    _texts(element, uid=entity.uid.split(":")[1], **_name(entity.name, person), title=entity.title)
    _texts(element, sdnType=_TYPES[entity.type])
    programs = SubElement(element, "programList")
    for program in entity.programs:
        _texts(programs, program=program)
    _ids(SubElement(element, "idList"), entity)
    for name in entity.names[1:]:
        category = "weak" if name.kind is NameKind.WEAK else "strong"
        kind = "a.k.a." if name.kind is NameKind.WEAK else ".".join(name.kind.value) + "."
        aka = _item(element, "akaList", "aka", uid="1", type=kind, category=category)
        _texts(aka, **_name(name.text, person))
    _origins(element, entity)


def _ids(ids: Element, entity: ListedEntity) -> None:
    for found in entity.identifiers:
        label = _LABELS.get(found.kind) or re.sub(r" No$", " No.", found.kind.replace("_", " ").title())
        number = f"IMO {found.number}" if found.kind.startswith("imo") else found.number
        _texts(SubElement(ids, "id"), uid="1", idType=label, idNumber=number, idCountry=_country(found.country))
    for wallet in entity.wallets:
        label = f"Digital Currency Address - {wallet.asset}"
        _texts(SubElement(ids, "id"), uid="1", idType=label, idNumber=wallet.address)


def _origins(element: Element, entity: ListedEntity) -> None:
    for country in entity.nationalities:
        _item(element, "nationalityList", "nationality", uid="1", country=_country(country), mainEntry="true")
    for country in entity.countries:
        _item(element, "addressList", "address", uid="1", city="Somewhere", country=_country(country))
    for born in entity.births:
        _item(element, "dateOfBirthList", "dateOfBirthItem", uid="1", dateOfBirth=_born(born), mainEntry="true")
    for place in entity.birth_places:
        _item(element, "placeOfBirthList", "placeOfBirthItem", uid="1", placeOfBirth=place, mainEntry="true")


def _item(element: Element, list_name: str, item_name: str, **texts: str) -> Element:
    found = element.find(list_name)
    item = SubElement(found if found is not None else SubElement(element, list_name), item_name)
    _texts(item, **texts)
    return item


def _texts(element: Element, **texts: str) -> None:
    for name, text in texts.items():
        if text:
            SubElement(element, name).text = text


def _name(text: str, person: bool) -> dict[str, str]:
    last, comma, first = text.partition(", ")
    return {"lastName": last, "firstName": first} if person and comma and first else {"lastName": text}


def _country(code: str) -> str:
    found = pycountry.countries.get(alpha_2=code) if code else None
    return found.name if found is not None else {"XK": "Kosovo"}.get(code, "")


def _born(born: DateRange) -> str:
    days = list(dict.fromkeys([_day(born.earliest), _day(born.latest)]))
    return " to ".join(days)


def _day(day: date) -> str:
    return day.strftime("%d %b %Y").rjust(11, "0")


def names_of(entities: Iterable[ListedEntity]) -> list[str]:
    """The primary names."""
    return [entity.name for entity in entities]
