"""What changed between two editions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.screening.entities import (
    DateRange,
    EntityType,
    Identifier,
    ListedEntity,
    ListedName,
    NameKind,
    Wallet,
)
from fiatrails.screening.lists.delta import Delta, FieldChange, delta, fingerprint
from fiatrails.screening.lists.formats import read_list
from tests.unit.screening.list_files import varied

BORN = DateRange(date(1970, 1, 1), date(1970, 1, 1))
LATER = DateRange(date(1971, 1, 1), date(1972, 12, 31))
PASSPORT = Identifier("passport", "A1", "IR")
WALLET = Wallet("XBT", "1abc")
LISTED = read_list(varied()).entities


def person(uid: str, name: str = "DOE, John", **fields: object) -> ListedEntity:
    entity = ListedEntity(f"SDN:{uid}", EntityType.PERSON, (ListedName(name, NameKind.PRIMARY),))
    return replace(entity, **fields)  # type: ignore[arg-type]


def test_the_same_list_is_no_change() -> None:
    found = delta(LISTED, tuple(reversed(LISTED)))
    assert (found, found.empty) == (Delta(), True)


def test_added_and_removed_are_told_apart() -> None:
    found = delta([person("1"), person("2", "GONE, Is")], [person("1"), person("3", "NEW, Is")])
    assert ([e.uid for e in found.added], [e.uid for e in found.removed]) == (["SDN:3"], ["SDN:2"])
    assert found.counts() == {"added": 1, "removed": 1, "changed": 0}


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({"wallets": (WALLET,)}, FieldChange("wallets", ("XBT 1abc",), ())),
        ({"births": (LATER,)}, FieldChange("births", ("1971-01-01..1972-12-31",), ("1970-01-01",))),
        ({"identifiers": (PASSPORT,)}, FieldChange("ids", ("passport A1 IR",), ())),
        ({"type": EntityType.VESSEL}, FieldChange("type", ("vessel",), ("person",))),
        ({"countries": ("IR",)}, FieldChange("countries", ("IR",), ())),
        ({"programs": ("SDGT",)}, FieldChange("programs", ("SDGT",), ())),
        (
            {"names": (ListedName("ROE, John", NameKind.PRIMARY), ListedName("DOE, John", NameKind.FKA))},
            FieldChange("names", ("ROE, John (primary)", "DOE, John (fka)"), ("DOE, John (primary)",)),
        ),
    ],
)
def test_each_change_says_what_it_is(fields: dict[str, object], change: FieldChange) -> None:
    [found] = delta([person("1", births=(BORN,))], [person("1", **({"births": (BORN,)} | fields))]).changed
    assert found.fields == (change,)
    assert found.what == {change.field}


def test_another_order_or_other_remarks_are_no_change() -> None:
    names = (ListedName("A", NameKind.PRIMARY), ListedName("B", NameKind.AKA), ListedName("C", NameKind.AKA))
    old = person("1", names=names, remarks="x")
    assert delta([old], [replace(old, names=(names[0], names[2], names[1]), remarks="y")]).empty


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"births": (BORN,)}, {"births": (BORN,)}),
        ({"births": (BORN,), "identifiers": (PASSPORT,)}, {"births": (LATER,), "identifiers": (PASSPORT,)}),
        ({"births": (BORN,)}, {"births": (BORN, LATER)}),
        ({"wallets": (WALLET,)}, {"wallets": (WALLET,), "births": (BORN,)}),
        ({}, {}),
    ],
)
def test_an_entity_under_another_uid_is_the_same(old: dict[str, object], new: dict[str, object]) -> None:
    found = delta([person("1", "Dóe,  JOHN", **old)], [person("2", "DOE, John", **new)])
    assert (found.added, found.removed) == ((), ())
    [change] = found.changed
    assert FieldChange("uid", ("SDN:2",), ("SDN:1",)) in change.fields


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (person("1", births=(BORN,)), person("2", births=(LATER,))),
        (person("1", births=(BORN,)), person("2")),
        (person("1"), person("2", type=EntityType.ORGANIZATION)),
        (person("1"), person("2", "DOE, Jane")),
    ],
)
def test_namesakes_are_two(old: ListedEntity, new: ListedEntity) -> None:
    found = delta([old], [new])
    assert (found.added, found.removed, found.changed) == ((new,), (old,), ())


def test_of_two_namesakes_each_finds_itself() -> None:
    old = [person("1", births=(BORN,)), person("2", births=(LATER,))]
    new = [person("4", births=(LATER, BORN)), person("3", births=(BORN,))]
    pairs = {(change.old.uid, change.new.uid) for change in delta(old, new).changed}
    assert pairs == {("SDN:1", "SDN:3"), ("SDN:2", "SDN:4")}


def test_a_report_can_be_read() -> None:
    new = [
        person("1", wallets=tuple(Wallet("XBT", f"1{n}") for n in range(9))),
        person("3", "NEW, Is", wallets=(WALLET,)),
    ]
    lines = delta([person("1"), person("2", "GONE, Is")], new).report().splitlines()
    assert lines[:3] == [
        "1 added, 1 removed, 1 changed",
        "+ SDN:3 NEW, Is (person, 1 wallets)",
        "- SDN:2 GONE, Is (person)",
    ]
    assert lines[3].startswith("~ SDN:1 DOE, John (person, 9 wallets): wallets +XBT 10, +XBT 11")
    assert lines[3].endswith("and 3 more")
    many = delta([], [person(str(n), f"N{n}") for n in range(9)]).report(limit=2)
    assert many.splitlines() == [
        "9 added, 0 removed, 0 changed",
        "+ SDN:0 N0 (person)",
        "+ SDN:1 N1 (person)",
        "  ... and 7 more added",
    ]


@given(st.permutations(LISTED), st.sets(st.sampled_from(LISTED), max_size=10), st.integers(0, 1))
def test_every_entity_is_in_exactly_one_part(order: list[ListedEntity], gone: set[ListedEntity], moved: int) -> None:
    """New uids for everybody, in another order, some delisted: nobody is lost and nobody is two."""
    kept = [replace(e, uid=f"SDN:{moved * 7_000_000 + int(e.uid[4:])}") for e in order if e not in gone]
    found = delta(LISTED, kept)
    assert found.added == ()
    assert set(found.removed) == gone
    assert len(found.changed) == (len(kept) if moved else 0)
    assert all(fingerprint(change.old) == fingerprint(change.new) for change in found.changed)
