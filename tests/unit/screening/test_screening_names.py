"""Names against a small list: who is found, who is left in peace, and why."""

from __future__ import annotations

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
from fiatrails.screening.matching.alignment import align
from fiatrails.screening.matching.explain import details, headline
from fiatrails.screening.matching.index import weigh
from fiatrails.screening.matching.phonetics import SPELLINGS, fold
from fiatrails.screening.matching.scoring import best_case, score
from fiatrails.screening.matching.screening import Band, Party, ScreeningList, compare, screen

ETH = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96"
XBT = "12QtD5BFwRsdNsAZY76UVE1xyCGNTojH9h"
SOLANA = "FxM3fF5eBKqTq3BMq9ngbjDXXQNW3jsHkYrWcAHwNhqW"


def entity(uid: str, type: EntityType, primary: str, *others: tuple[str, NameKind], **rest: object) -> ListedEntity:
    names = (ListedName(primary, NameKind.PRIMARY), *(ListedName(text, kind) for text, kind in others))
    return ListedEntity(uid=uid, type=type, names=names, programs=("SDGT",), **rest)  # type: ignore[arg-type]


PERSON, ORGANIZATION = EntityType.PERSON, EntityType.ORGANIZATION
ENTITIES = (
    entity("t:1", PERSON, "ROTENBERG, Arkadii Romanovich", ("ROTENBERG, Arkady", NameKind.AKA)),
    entity(
        "t:2",
        PERSON,
        "ABDALLAH, Fazul",
        ("HAROUN, Fadhil", NameKind.AKA),
        ("HARUN", NameKind.WEAK),
        births=(DateRange(date(1972, 1, 1), date(1972, 12, 31)), DateRange(date(1974, 2, 25), date(1974, 2, 25))),
        nationalities=("KM", "KE"),
        identifiers=(Identifier("Passport", "A-012/34567", "KE"),),
    ),
    entity("t:3", PERSON, "YAN, Xiaobing", wallets=(Wallet("XBT", XBT), Wallet("USDT", ETH))),
    entity("t:4", ORGANIZATION, "CIMEX, S.A."),
    entity("t:5", ORGANIZATION, "JOINT STOCK COMPANY MUROM INSTRUMENT-MAKING PLANT"),
    entity("t:6", ORGANIZATION, "11420 CORP."),
    entity("t:7", EntityType.VESSEL, "ZU ZAG BONG"),
    entity("t:8", PERSON, "NURISTANI, Abdul Aziz"),
    entity("t:9", ORGANIZATION, "OOO OBORONNYE INITSIATIVY", wallets=(Wallet("SOL", SOLANA),)),
    entity("t:10", PERSON, "GARCIA LOPEZ, Jose"),
    entity("t:11", PERSON, "SUMPHANTARAT, Prasitchai"),
    *(entity(f"f:{n}", PERSON, f"ALI, Mohammed {word}") for n, word in enumerate("Qasim Umar Tariq Yasin".split())),  # noqa: SIM905
)


@pytest.fixture(scope="module")
def against() -> ScreeningList:
    return ScreeningList(ENTITIES, digest="sha256:test")


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        ("Arkadii Rotenberg", "t:1"),
        ("ROTENBERG Arkadiy", "t:1"),
        ("Ротенберг Аркадий", "t:1"),
        ("Mr. Arkady Rotenberg", "t:1"),
        ("ArkadyRotenberg", "t:1"),
        ("Arkady Rotenburg", "t:1"),
        ("Fazul Abdallah", "t:2"),
        ("Fadhil Haroon", "t:2"),
        ("'Abd al-Aziz al-Nuristani", "t:8"),
        ("Abdulaziz Nooristani", "t:8"),
        ("Yan Xiao Bing", "t:3"),
        ("A. Rotenberg", "t:1"),
        ("Prasitchai Sumpuntarath", "t:11"),
    ],
)
def test_a_listed_person_is_found_however_the_name_is_written(against: ScreeningList, name: str, uid: str) -> None:
    result = screen(Party(name, PERSON), against)
    assert result.band is Band.REVIEW, details
    assert result.hits[0].entity.uid == uid


@pytest.mark.parametrize(
    ("name", "uid"),
    [
        ("Cimex SA", "t:4"),
        ("Murom Instrument Making Plant AO", "t:5"),
        ("Акционерное общество Oboronnye Initsiativy", "t:9"),
        ("Limited Liability Company Oboronnye Initsiativi", "t:9"),
    ],
)
def test_an_organisation_is_found_under_any_legal_form(against: ScreeningList, name: str, uid: str) -> None:
    result = screen(Party(name, ORGANIZATION), against)
    assert result.band is not Band.CLEAR
    assert result.hits[0].entity.uid == uid


@pytest.mark.parametrize(
    "name",
    ["Jane Wanjiku", "Mohammed Ali", "Jose Garcia", "Maria Lopez", "Arkady Ivanov", "Abdul Karim", "Harun", "Ali"],
)
def test_an_ordinary_namesake_is_left_in_peace(against: ScreeningList, name: str) -> None:
    assert screen(Party(name, PERSON), against).band is Band.CLEAR


@pytest.mark.parametrize("name", ["Corp", "Corp.", "S.A.", "The Company", "Joint Stock Company", "Limited"])
def test_a_stop_word_is_no_name_of_any_company(against: ScreeningList, name: str) -> None:
    assert not screen(Party(name, ORGANIZATION), against).hits


def test_a_company_whose_name_is_a_number_is_found_by_it_alone(against: ScreeningList) -> None:
    assert screen(Party("11420 Corporation", ORGANIZATION), against).hits[0].entity.uid == "t:6"
    assert not screen(Party("11421 Corporation", ORGANIZATION), against).hits


def test_a_person_is_not_taken_for_a_ship(against: ScreeningList) -> None:
    assert screen(Party("Zu Zag Bong", PERSON), against).band is Band.CLEAR
    assert screen(Party("MV Zu Zag Bong", EntityType.VESSEL), against).band is not Band.CLEAR


def test_a_name_alone_never_confirms_a_person_but_a_birthday_does(against: ScreeningList) -> None:
    assert screen(Party("Fazul Abdallah", PERSON), against).band is Band.REVIEW
    assert screen(Party("Fazul Abdallah", PERSON, born=date(1974, 2, 25)), against).band is Band.BLOCK
    assert screen(Party("Fazul Abdallah", PERSON, born=date(1972, 5, 1)), against).band is Band.REVIEW


def test_a_birth_decades_away_clears_a_namesake_and_says_so(against: ScreeningList) -> None:
    result = screen(Party("Fazul Abdallah", PERSON, born=date(1999, 5, 1)), against)
    assert result.band is Band.CLEAR
    assert "contradicts" in "\n".join(details(result.hits[0]))


def test_a_passport_number_blocks_whatever_the_name(against: ScreeningList) -> None:
    result = screen(Party("Somebody Else", PERSON, identifiers=("a01234567",)), against)
    assert (result.band, result.hits[0].entity.uid) == (Band.BLOCK, "t:2")
    assert "Passport A-012/34567" in headline(result)


@pytest.mark.parametrize("address", [ETH, ETH.lower(), ETH.upper().replace("0X", "0x"), f" {ETH} ", XBT, SOLANA])
def test_a_listed_wallet_blocks(against: ScreeningList, address: str) -> None:
    result = screen(Party("Jane Wanjiku", PERSON, wallets=(address,)), against)
    assert result.band is Band.BLOCK
    assert address.strip() in headline(result)


def test_base58_wallets_differ_by_case(against: ScreeningList) -> None:
    assert screen(Party(wallets=(SOLANA.lower(), XBT.upper())), against).band is Band.CLEAR


def test_what_can_be_no_wallet_is_for_a_person_to_look_at(against: ScreeningList) -> None:
    result = screen(Party(wallets=("0xabc\0def",)), against)
    assert result.band is Band.REVIEW
    assert "not a wallet" in headline(result)


@pytest.mark.parametrize("name", ["", " ", "\0", "😀😀", "\u202e\u202d", "-", "\ud800", "x" * 10_000, "a b " * 100])
def test_what_is_no_name_is_never_cleared_silently(against: ScreeningList, name: str) -> None:
    result = screen(Party(name, PERSON), against)
    assert bool(result.problem) == bool(name)
    assert result.band is (Band.REVIEW if name else Band.CLEAR)


def test_the_explanation_names_the_pairs_and_what_each_feature_added(against: ScreeningList) -> None:
    hit = screen(Party("Arkady Rotenburg", PERSON), against).hits[0]
    text = "\n".join(details(hit))
    assert '"rotenburg" is' in text
    assert 'like "rotenberg"' in text
    assert hit.score is not None
    assert hit.score.logit == pytest.approx(sum(feature.added for feature in hit.score.features))
    assert f"{hit.score.value:.3f} = {hit.score.logit:+.2f} log-odds" in text
    assert hit.ofac_score > 90


def test_a_result_names_its_list_and_its_algorithm(against: ScreeningList) -> None:
    result = screen(Party("Arkady Rotenberg", PERSON), against)
    assert (result.list_digest, result.algorithm) == ("sha256:test", "names-2")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Sergei Lavrov", "Sergey Viktorovich LAVROV", True),
        ("Sergey Ivanov", "Sergey Viktorovich LAVROV", False),
        ("Igor Sech1n", "Igor Sechin", True),
        ("Kim Jong-uun", "Kim Jong-un", True),
        ("Ihab Makhlouf", "Rami Makhlouf", False),
        ("Barack Obama", "George Hussein Onyango Obama", False),
        ("Barack Obama", "バラク・オバマ", True),
    ],
)
def test_two_names_are_compared_without_a_list(one: str, other: str, same: bool) -> None:
    assert (compare(one, other, PERSON).value >= 0.5) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Muhammad bin Salman", "Mohammed bin Salman"),
        ("Mohd Zubair Qureshi", "Muhammad Zubair Qureshi"),
        ("Volodymyr Hrytsak", "Vladimir Gritsak"),
        ("Pak Yong Chol", "Park Young-cheol"),
        ("Tony Marchetti", "Anthony Marchetti"),
        ("Chiang Teng", "Jiang Deng"),
    ],
)
def test_the_spellings_of_one_name_are_one(one: str, other: str) -> None:
    assert compare(one, other, PERSON).value >= 0.5
    assert compare(other, one, PERSON).value >= 0.5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Karim Nabil Farouk al-Zahrani", "Karim Nabil Farouk al-Ghamdi"),
        ("Rustam Magomedovich Taskaev", "Rustam Magomedovich Belkin"),
        ("Faizullah Khan Noorbaksh", "Faizullah Khan Wardaki"),
    ],
)
def test_two_people_whose_names_differ_by_a_whole_word_are_two(one: str, other: str) -> None:
    score = compare(one, other, PERSON)
    assert score.value < 0.5
    assert "word replaced" in {feature.name for feature in score.features}
    assert compare(one, one.rsplit(" ", 1)[0], PERSON).value >= 0.5  # and a shorter form of one's own is no other name


def test_a_spelling_is_that_of_one_name_only() -> None:
    rows = [(name, other) for group in SPELLINGS.values() for name, others in group.items() for other in others.split()]
    names = {fold(name) for name, _ in rows}
    assert all(fold(other) == fold(name) for name, other in rows)
    assert len(names) == sum(map(len, SPELLINGS.values()))


_SOME = ("ali", "omar", "karim", "qarim", "nabil", "farouk", "faruq", "zahrani", "zahran", "z")
_WORDS = st.lists(st.sampled_from(_SOME), min_size=1, max_size=5)


@given(_WORDS, _WORDS, st.sampled_from([PERSON, ORGANIZATION]))
def test_no_score_is_above_what_is_said_to_be_the_best_case(
    query: list[str], listed: list[str], type: EntityType
) -> None:
    alignment = align(query, listed, weigh)
    best = best_case(alignment.matched, alignment.query_total, alignment.listed_total, type)
    assert not alignment.pairs or score(alignment, type).logit <= best + 1e-9


@given(st.text(max_size=600), st.sampled_from([None, *EntityType]))
def test_any_text_gets_an_answer_and_the_same_one_again(name: str, type: EntityType | None) -> None:
    against = _shared()
    result = screen(Party(name, type), against)
    assert result == screen(Party(name, type), against)
    assert all(hit.score is None or 0.0 <= hit.score.value <= 1.0 for hit in result.hits)
    headline(result)


@given(st.sampled_from([name.text for entity in ENTITIES for name in entity.names if name.kind is not NameKind.WEAK]))
def test_every_listed_name_finds_its_own_entity(name: str) -> None:
    result = screen(Party(name), _shared())
    assert name in {listed.text for listed in result.hits[0].entity.names}


def _shared() -> ScreeningList:
    return _LISTS.setdefault("it", ScreeningList(ENTITIES, digest="sha256:test"))


_LISTS: dict[str, ScreeningList] = {}
