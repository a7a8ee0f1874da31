"""The classic XML: the same list in another format gives the same entities."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.kernel.errors import BadInput
from fiatrails.screening.entities import (
    DateRange,
    EntityType,
    Identifier,
    ListedEntity,
    ListedName,
    NameKind,
    Wallet,
)
from fiatrails.screening.lists.formats import read_list
from fiatrails.screening.lists.formats.sdn_xml import read_xml
from tests.unit.screening.list_files import varied, xml

WRITTEN = """<?xml version="1.0" standalone="yes"?>
<sdnList xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xmlns="https://sanctionslistservice.ofac.treas.gov/api/PublicationPreview/exports/XML">
  <publshInformation><Publish_Date>11/20/2026</Publish_Date><Record_Count>2</Record_Count></publshInformation>
  <sdnEntry>
    <uid>26138</uid><firstName>Mohammad</firstName><lastName>GHORBANIYAN</lastName><title>Trader</title>
    <sdnType>Individual</sdnType><remarks>(Linked To: NOBODY; a.k.a. 'ENSAE'.)</remarks>
    <programList><program>CYBER2</program><program>IRAN-EO13902</program></programList>
    <idList>
      <id><uid>1</uid><idType>Passport</idType><idNumber>A 123</idNumber><idCountry>Iran</idCountry></id>
      <id><uid>2</uid><idType>Gender</idType><idNumber>Male</idNumber></id>
      <id><uid>3</uid><idType>Digital Currency Address - XBT</idType>
        <idNumber>149w62rY42aZBox8fGcmqNsXUzSStKeq8C</idNumber></id>
      <id><uid>4</uid><idType>Secondary sanctions risk:</idType><idNumber>section 1(b) of Order 13224</idNumber></id>
      <id><uid>5</uid><idType>Digital Currency Address - ETH</idType><idNumber/></id>
    </idList>
    <akaList>
      <aka><uid>7</uid><type>a.k.a.</type><category>weak</category><lastName>MOHAMMAD KHAN</lastName></aka>
      <aka><uid>8</uid><type>f.k.a.</type><category>strong</category><lastName>GHORBANI</lastName><firstName>M.</firstName></aka>
    </akaList>
    <addressList><address><uid>9</uid><city>Tehran</city><country>Iran</country></address>
      <address><uid>10</uid><country>Korea, North</country></address></addressList>
    <nationalityList>
      <nationality><uid>11</uid><country>Iran</country><mainEntry>true</mainEntry></nationality>
    </nationalityList>
    <citizenshipList><citizenship><uid>12</uid><country>Burma</country></citizenship></citizenshipList>
    <dateOfBirthList>
      <dateOfBirthItem><uid>13</uid><dateOfBirth>circa 1987</dateOfBirth></dateOfBirthItem>
    </dateOfBirthList>
    <placeOfBirthList>
      <placeOfBirthItem><uid>14</uid><placeOfBirth>Tehran, Iran</placeOfBirth></placeOfBirthItem>
    </placeOfBirthList>
  </sdnEntry>
  <sdnEntry>
    <uid>15036</uid><lastName>ARTAVIL</lastName><sdnType>Vessel</sdnType>
    <idList><id><idType>Vessel Registration Identification</idType><idNumber>IMO 9187629</idNumber></id></idList>
    <vesselInfo><callSign>T2EU4</callSign><vesselType>Tanker</vesselType><vesselFlag>Iran</vesselFlag></vesselInfo>
  </sdnEntry>
</sdnList>
"""


def test_a_written_file_is_read() -> None:
    parsed = read_list({"sdn.xml": WRITTEN.encode()})
    person, ship = parsed.entities
    assert (parsed.published, parsed.warnings) == (date(2026, 11, 20), ())
    assert person == ListedEntity(
        uid="SDN:26138",
        type=EntityType.PERSON,
        names=(
            ListedName("GHORBANIYAN, Mohammad", NameKind.PRIMARY),
            ListedName("MOHAMMAD KHAN", NameKind.WEAK),
            ListedName("GHORBANI, M.", NameKind.FKA),
        ),
        programs=("CYBER2", "IRAN-EO13902"),
        title="Trader",
        births=(DateRange(date(1986, 1, 1), date(1988, 12, 31)),),
        birth_places=("Tehran, Iran",),
        nationalities=("IR", "MM"),
        countries=("IR", "MM", "KP"),
        identifiers=(Identifier("passport", "A 123", "IR"),),
        wallets=(Wallet("XBT", "149w62rY42aZBox8fGcmqNsXUzSStKeq8C"),),
        remarks="(Linked To: NOBODY; a.k.a. 'ENSAE'.)",
    )
    assert (ship.type, ship.nationalities, ship.countries) == (EntityType.VESSEL, ("IR",), ("IR",))
    assert set(ship.identifiers) == {Identifier("imo", "9187629"), Identifier("call_sign", "T2EU4")}


def comparable(entity: ListedEntity) -> ListedEntity:
    """What both formats carry; aliases, numbers and wallets have no order, and remarks are another text."""
    return replace(
        entity,
        remarks="",
        names=(entity.names[0], *sorted(entity.names[1:], key=str)),
        identifiers=tuple(sorted(entity.identifiers, key=str)),
        wallets=tuple(sorted(entity.wallets, key=str)),
    )


@pytest.mark.parametrize("namespace", ["", "http://tempuri.org/sdnList.xsd", "urn:another"])
def test_both_formats_give_the_same_entities(namespace: str) -> None:
    from_csv = read_list(varied()).entities
    from_xml = read_list({"SDN.XML": xml(from_csv, namespace=namespace)}).entities
    assert list(map(comparable, from_xml)) == list(map(comparable, from_csv))


def test_the_consolidated_list_has_uids_of_its_own() -> None:
    entities = read_list(varied()).entities[:1]
    assert read_list({"consolidated.xml": xml(entities)}).entities[0].uid == "CONS:306"


def test_entries_that_are_counted_and_missing_are_malformed() -> None:
    entities = read_list(varied()).entities
    data = xml(entities).replace(b"<Record_Count>9<", b"<Record_Count>10<")
    with pytest.raises(BadInput, match=r"1 of 10 rows cannot be read \(counted in Record_Count and not there"):
        read_list({"sdn.xml": data})


def test_an_entry_without_a_name_is_told() -> None:
    entities = read_list(varied()).entities
    many = [replace(entity, uid=f"SDN:{n}{entity.uid[4:]}") for n in range(20) for entity in entities]
    data = xml(many).replace(b"<lastName>BANCO NACIONAL DE CUBA</lastName>", b"", 1)
    parsed = read_list({"sdn.xml": data})
    assert len(parsed.entities) == 179
    assert "an entry has no name or no uid ('0306', '')" in parsed.warnings[0]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (xml(())[:-5], "sdn.xml, line 2: not well-formed XML or cut off"),
        (b"<html><body>Not here</body></html>", "sdn.xml begins with <html> and not with <sdnList>"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><sdnList>&a;</sdnList>', "sdn.xml declares entities or a DTD"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><sdnList/>', "sdn.xml declares entities or a DTD"),
        (b"", "sdn.xml, line 1: not well-formed"),
    ],
)
def test_what_is_no_such_xml_is_refused_with_its_name(data: bytes, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_list({"sdn.xml": data})
    assert says in refused.value.message


@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda t: f"<sdnList><sdnEntry>{t}</sdnEntry></sdnList>".encode())
)
def test_any_bytes_are_a_list_or_a_refusal(data: bytes) -> None:
    try:
        read_list({"sdn.xml": data})
    except BadInput as refusal:
        assert refusal.code == "list_malformed"


def test_memory_does_not_grow_with_the_file() -> None:
    """Entries are let go after their turn: what is left of three thousand is what their values take."""
    bare = ListedEntity("SDN:1", EntityType.ORGANIZATION, (ListedName("A", NameKind.PRIMARY),))
    data = xml([bare] * 3_000).replace(
        b"<lastName>A</lastName>", b"<lastName>A</lastName><title>" + b"x" * 5_000 + b"</title>"
    )
    data = data.replace(b"<uid>1</uid>", b"<uid>none</uid>")
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match="3000 of 3000"):
            read_xml("SDN", "sdn.xml", data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(data) // 3
