"""The CSV files: every name and wallet arrives, and what is malformed is counted and named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.kernel.errors import BadInput
from fiatrails.screening.entities import EntityType, Identifier, ListedName, NameKind, Wallet
from fiatrails.screening.lists.formats import ParsedList, read_list
from tests.unit.screening.list_files import add, alt, csv, cut, line, names_of, people, sdn

LONG = "; ".join(f"alt. Digital Currency Address - XBT 1Wallet{n:040d}" for n in range(40)) + "."


def read(*rows: str, **files: bytes) -> ParsedList:
    return read_list({"sdn.csv": csv(*rows), **{f"{name}.csv": data for name, data in files.items()}})


def test_a_row_becomes_an_entity() -> None:
    row = sdn(
        25308,
        "YAN, Xiaobing",
        type="individual",
        program="SDNTK] [ILLICIT-DRUGS-EO14059",
        title="Chemist",
        remarks="DOB 05 Nov 1977; nationality China; a.k.a. 'STEVEN'.",
    )
    names = csv(alt(25308, "YAN, Steven"), alt(25308, "YAN, S.", "fka"), alt(25308, "YAN X", "nka"))
    parsed = read(row, alt=names, add=csv(add(25308, "China"), add(25308, "Korea, North"), add(25308, "undetermined")))
    [entity] = parsed.entities
    assert (entity.uid, entity.type, entity.name, entity.title) == (
        "SDN:25308",
        EntityType.PERSON,
        "YAN, Xiaobing",
        "Chemist",
    )
    assert entity.names == (
        ListedName("YAN, Xiaobing", NameKind.PRIMARY),
        ListedName("STEVEN", NameKind.WEAK),
        ListedName("YAN, Steven", NameKind.AKA),
        ListedName("YAN, S.", NameKind.FKA),
        ListedName("YAN X", NameKind.NKA),
    )
    assert entity.programs == ("SDNTK", "ILLICIT-DRUGS-EO14059")
    assert (entity.nationalities, entity.countries) == (("CN",), ("CN", "KP"))
    assert entity.remarks == "DOB 05 Nov 1977; nationality China; a.k.a. 'STEVEN'."
    assert (parsed.warnings, parsed.name_count, parsed.published) == ((), 5, None)


def test_a_vessel_has_its_flag_as_nationality_and_its_call_sign() -> None:
    [ship] = read(sdn(1, "ARTAVIL", type="vessel", flag="Iran", call_sign="T2EU4", remarks="MMSI 572469210.")).entities
    assert (ship.type, ship.nationalities) == (EntityType.VESSEL, ("IR",))
    assert ship.identifiers == (Identifier("call_sign", "T2EU4"), Identifier("mmsi", "572469210"))


def test_a_name_stays_strong_when_the_remarks_repeat_it_as_weak() -> None:
    [entity] = read(sdn(1, "BANCO", remarks="a.k.a. 'BANCO'; a.k.a. 'BNC'.")).entities
    assert [name.kind for name in entity.names] == [NameKind.PRIMARY, NameKind.WEAK]


def test_the_consolidated_list_is_read_beside_the_sdn_list() -> None:
    files = {"sdn.csv": csv(sdn(1, "A")), "CONS_PRIM.CSV": csv(sdn(1, "B")), "x/cons_alt.csv": csv(alt(1, "C"))}
    assert [entity.uid for entity in read_list(files).entities] == ["SDN:1", "CONS:1"]
    assert read_list(files).entities[1].names[1].text == "C"


def test_wallets_behind_the_cut_are_found_with_the_comments_and_missed_without() -> None:
    head, tail = cut(LONG)
    whole = read(sdn(1, "A", remarks=head), sdn_comments=csv(line(1, tail)))
    assert (whole.wallet_count, whole.cut_remarks, whole.warnings) == (40, 0, ())
    alone = read(sdn(1, "A", remarks=head))
    assert (alone.wallet_count < 40, alone.cut_remarks) == (True, 1)
    assert "1 remarks stop at 1000 characters" in alone.warnings[0]


def test_comments_may_come_in_several_rows() -> None:
    head, tail = cut(LONG)
    comments = csv(line(1, tail[:700]), line(1, tail[700:]))
    assert read(sdn(1, "A", remarks=head), sdn_comments=comments).wallet_count == 40


def test_wallets_of_an_entry_that_only_the_comments_know_are_kept() -> None:
    tail = "rency Address - XBT bc1qabc; alt. Digital Currency Address - ETH 0xdef; Passport 77 (China)."
    parsed = read(
        sdn(1, "A"), sdn_comments=csv(line(2, tail), line(3, "hn'; Linked To: X.")), alt=csv(alt(2, "WAN, Jack"))
    )
    unknown = parsed.entities[1]
    assert (unknown.uid, unknown.name, unknown.type) == ("SDN:2", "WAN, Jack", EntityType.PERSON)
    assert unknown.wallets == (Wallet("XBT", "bc1qabc"), Wallet("ETH", "0xdef"))
    assert parsed.warnings == ("2 comments belong to entries that the list does not have; 1 hold wallets and are kept",)
    [nameless] = read(sdn(1, "A"), sdn_comments=csv(line(2, tail))).entities[1:]
    assert nameless.names == (ListedName("2", NameKind.PRIMARY),)


def test_names_and_addresses_of_unknown_entities_are_counted() -> None:
    parsed = read(sdn(1, "A"), alt=csv(alt(2, "B"), alt(2, "C"), alt(3, "D")), add=csv(add(9, "Cuba")))
    assert names_of(parsed.entities) == ["A"]
    assert parsed.warnings == (
        "3 alternate names belong to 2 entries that the list does not have",
        "1 addresses belong to entries that the list does not have",
    )


def test_an_entry_that_comes_twice_keeps_both_names() -> None:
    [entity] = read(sdn(1, "A"), sdn(1, "B")).entities
    assert [name.text for name in entity.names] == ["A", "B"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("JOSÉ".encode(), "JOSÉ"),
        (b"\xef\xbb\xbf" + "JOSÉ".encode(), "JOSÉ"),
        ("JOSÉ – ŠKODA".encode("cp1252"), "JOSÉ – ŠKODA"),
        (b"JOS\x81", "JOS\ufffd"),
        (b"A\x00B\x07C", "ABC"),
    ],
)
def test_no_byte_is_too_strange(data: bytes, name: str) -> None:
    mark = b"\xef\xbb\xbf" if data.startswith(b"\xef") else b""
    row = csv(sdn(1, "NAME")).replace(b"NAME", data.removeprefix(mark))
    assert read_list({"sdn.csv": mark + row}).entities[0].name == name


@pytest.mark.parametrize("newline", [b"\r\n", b"\n", b"\r"])
def test_any_end_of_line_will_do(newline: bytes) -> None:
    data = csv(*people(3)).replace(b"\r\n", newline)
    assert len(read_list({"sdn.csv": data}).entities) == 3


def test_a_field_may_go_on_in_the_next_line() -> None:
    [entity] = read(sdn(1, "A", remarks="nationality\nIran; DOB 1970.")).entities
    assert (entity.nationalities, len(entity.births)) == (("IR",), 1)


def test_a_missing_quotation_mark_spoils_one_row_and_not_the_rest() -> None:
    rows = people(300)
    rows[150] = rows[150].replace('Given"', "Given", 1)
    parsed = read(*rows)
    assert len(parsed.entities) == 299
    assert parsed.warnings == ("sdn.csv: 1 of 300 rows cannot be read (line 151: 11 columns where 12 are expected)",)


def test_malformed_rows_below_one_per_cent_are_left_out_and_told() -> None:
    parsed = read(*people(200), "x,y", sdn(7, ""))
    assert len(parsed.entities) == 200
    [warning] = parsed.warnings
    assert "2 of 202 rows cannot be read (line 201: 2 columns where 12 are expected; line 202: no name)" in warning


def test_malformed_rows_above_one_per_cent_end_it_with_file_line_and_advice() -> None:
    with pytest.raises(BadInput) as refused:
        read(*people(100), "<html>", "<body>")
    assert refused.value.code == "list_malformed"
    assert "sdn.csv: 2 of 102 rows cannot be read (line 101: 1 columns where 12 are expected" in refused.value.message
    assert "download it again" in refused.value.message


def test_a_row_without_end_is_one_malformed_row() -> None:
    parsed = read(*people(200), sdn(201, "A", remarks="x" * 200_000))
    assert (len(parsed.entities), "line 201: not a CSV row" in parsed.warnings[0]) == (200, True)


def test_a_spoilt_comments_file_is_not_a_small_matter() -> None:
    with pytest.raises(BadInput, match=r"sdn_comments\.csv: 1 of 2 rows"):
        read(sdn(1, "A"), sdn_comments=csv(line(1, "x"), "broken"))


def test_a_file_without_its_end_mark_is_suspected() -> None:
    data = csv(*people(3)).removesuffix(b"\x1a")
    assert read_list({"sdn.csv": data}).warnings == (
        "sdn.csv does not end with OFAC's end mark (0x1A): see whether it is complete",
    )


@given(st.binary(max_size=400), st.binary(max_size=200))
def test_any_bytes_are_a_list_or_a_refusal(data: bytes, more: bytes) -> None:
    try:
        read_list({"sdn.csv": data, "alt.csv": more, "add.csv": more, "sdn_comments.csv": more})
    except BadInput as refusal:
        assert refusal.code == "list_malformed"


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=30)


@given(st.lists(TEXT.map(lambda text: " ".join(text.split())).filter(lambda t: t not in ("", "-0-")), max_size=20))
def test_every_name_that_was_written_is_read(names: list[str]) -> None:
    rows = [sdn(number, name) for number, name in enumerate(names, start=1)]
    assert names_of(read(*rows).entities) == names


@given(st.integers(min_value=0, max_value=1_500), st.text("ab,;\"' \n", max_size=40))
def test_no_wallet_is_lost_wherever_the_remarks_are_cut(offset: int, noise: str) -> None:
    head, tail = cut(f"{noise}; {'z' * offset}; {LONG}")
    files = {"sdn.csv": csv(sdn(1, "A", remarks=head)), "sdn_comments.csv": csv(line(1, tail))}
    assert read_list(files).wallet_count == 40
