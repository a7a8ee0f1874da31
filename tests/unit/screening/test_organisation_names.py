"""Names of organisations in other languages, as acronyms, and beside words that every company bears."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.screening.entities import EntityType, ListedEntity, ListedName, NameKind
from fiatrails.screening.matching import acronyms
from fiatrails.screening.matching.english import translate
from fiatrails.screening.matching.index import NameIndex, least_weight, slack
from fiatrails.screening.matching.scoring import best_case
from fiatrails.screening.matching.screening import Band, Party, ScreeningList, compare, screen
from fiatrails.screening.matching.text import parse

PERSON, ORGANIZATION = EntityType.PERSON, EntityType.ORGANIZATION
LISTED = (
    ("t:1", ORGANIZATION, "AKTSIONERNOE OBSHCHESTVO NAUCHNO-PROIZVODSTVENNOE PREDPRIYATIE ZVYOZDNYI KRAI"),
    ("t:2", ORGANIZATION, "GRAND LEVANTINE BOAT CHARTERING COMPANY"),
    ("t:3", ORGANIZATION, "QVZTP"),
    ("t:4", ORGANIZATION, "OOO TOMARINSKAYA UGOLNAYA KOMPANIYA"),
    ("t:5", ORGANIZATION, "CROCUTA PHENIX"),
    ("t:6", ORGANIZATION, "VOLKARAS INTERNATIONAL TRADING CO., LTD."),
    ("t:7", PERSON, "MOSKOVSKY, Dom Viktor"),
    ("t:8", ORGANIZATION, "QUIET VALLEY ZINC TRADE PARTNERS OF KASHVILLE"),
)


@pytest.fixture(scope="module")
def against() -> ScreeningList:
    entities = [
        ListedEntity(uid=uid, type=type, names=(ListedName(name, NameKind.PRIMARY),), programs=("SDGT",))
        for uid, type, name in LISTED
    ]
    return ScreeningList(entities, digest="sha256:test")


@pytest.mark.parametrize(
    ("written", "english"),
    [
        ("nauchno-issledovatelskii institut", "research institute"),
        ("Научно-исследовательский институт", "research institute"),
        ("scientific research institute", "research institute"),
        ("NII", "research institute"),
        ("Uralskaya", "ural"),
        ("Penzenskii", "penzen"),
        ("Minskii", "minsk"),
        ("machine-building", "engineering"),
        ("Mezhdunarodnyye Perevozki", "international transport"),
        ("bazargani sanat", "trade industries"),
        ("guoji maoyi", "international trade"),
        ("Novikov", "novikov"),
        ("Crocuta Phoenix", "krokuta phoenix"),
    ],
)
def test_words_of_many_languages_are_one_english_word(written: str, english: str) -> None:
    assert parse(written, ORGANIZATION).things == tuple(english.split())
    assert [word for word, _ in translate(english.split())] == english.split()  # and stays what it is


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        ("NPP Zvyozdnyi Krai", "t:1"),
        ("Research and Production Enterprise Zvezdny Kray JSC", "t:1"),
        ("Tomarinsk Coal Company LLC", "t:4"),
        ("Krokuta Fenix", "t:5"),
    ],
)
def test_an_organisation_is_found_under_its_name_in_another_language(
    against: ScreeningList, name: str, uid: str
) -> None:
    assert [hit.entity.uid for hit in screen(Party(name, ORGANIZATION), against).hits] == [uid]


def test_an_acronym_finds_the_name_that_it_stands_for(against: ScreeningList) -> None:
    for name in ("GLBCC", "glbcc ltd"):
        assert [hit.entity.uid for hit in screen(Party(name, ORGANIZATION), against).hits] == ["t:2"]


def test_a_name_finds_the_acronym_under_which_it_is_listed(against: ScreeningList) -> None:
    hits = screen(Party("Quick Vessel Zone Transport Partners", ORGANIZATION), against).hits
    assert "t:3" in {hit.entity.uid for hit in hits}


def test_three_letters_alone_stand_for_nobody(against: ScreeningList) -> None:
    assert screen(Party("TUK", ORGANIZATION), against).band is Band.CLEAR
    assert screen(Party("GLB Ltd", ORGANIZATION), against).band is Band.CLEAR


def test_letters_of_another_alphabet_are_one_initial() -> None:
    assert acronyms.spellings("chtpz") == ("khtpz", "ktpz")
    assert acronyms.spellings("ipc") == acronyms.spellings("ipk")
    assert acronyms.spellings("tsk") == ("tsk",)
    assert acronyms.spellings("no") == ()


def test_a_legal_form_has_a_letter_in_the_acronym_and_no_word() -> None:
    name = parse("OOO TOMARINSKAYA UGOLNAYA KOMPANIYA", ORGANIZATION)
    assert (name.things, name.initials, name.initial_of) == (("tomarin", "coal"), "tuk", (0, 1, -1))


def test_what_everybodys_company_is_called_is_little_of_a_name(against: ScreeningList) -> None:
    assert screen(Party("Volkaras Trading Group", ORGANIZATION), against).hits[0].entity.uid == "t:6"
    assert against.index.weigh_thing("export") < against.index.weigh("export")
    assert screen(Party("Mwangi International Trading Co., Ltd.", ORGANIZATION), against).band is Band.CLEAR


def test_the_words_of_a_person_are_not_translated(against: ScreeningList) -> None:
    for type in (None, PERSON):
        hit = screen(Party("Dom Viktor Moskovsky", type), against).hits[0]
        assert hit.alignment is not None
        assert {pair.query for pair in hit.alignment.pairs} == {"dom", "viktor", "moskovsky"}


@given(
    st.sampled_from([PERSON, ORGANIZATION]),
    st.floats(1, 200),
    st.floats(1, 200),
    st.floats(0, 1),
)
def test_what_is_passed_over_unseen_could_not_have_scored(
    type: EntityType, total: float, listed: float, share: float
) -> None:
    weight = share * min(total, listed)
    if weight < least_weight(type, int(total), -slack(type)):
        assert best_case(weight, total, listed, type) < -slack(type)


def test_an_index_of_nothing_has_no_candidates() -> None:
    assert NameIndex([]).candidates(parse("GLBCC", ORGANIZATION)) == []


def test_a_letter_makes_another_word_of_a_short_one_and_a_slip_in_a_long_one() -> None:
    short, long = compare("Zarko", "Zarka", ORGANIZATION), compare("Zarkovitanol", "Zarkovitanal", ORGANIZATION)
    added = {feature.name: feature.added for feature in short.features}
    assert added["short word spelled otherwise"] < 0
    assert short.value < 0.5 < long.value
