"""The face of the parsers, and the bundled sample."""

from __future__ import annotations

import pytest

from fiatrails.kernel.errors import BadInput
from fiatrails.screening.entities import EntityType, NameKind
from fiatrails.screening.lists.formats import is_list_file, read_list
from fiatrails.screening.lists.formats.read import digest_of
from fiatrails.screening.lists.sample import is_sample, sample_files
from tests.unit.screening.list_files import alt, csv, sdn, xml

SDN = csv(sdn(1, "A"))


def test_a_file_is_known_by_its_name_wherever_it_lies() -> None:
    assert [is_list_file(name) for name in ("/tmp/x/SDN.CSV", "C:\\lists\\Alt.csv", "cons_prim.csv", "sdn.xml")] == [
        True
    ] * 4
    assert not any(map(is_list_file, ("README.md", "sdn.csv.zip", "", "sdn_advanced.xml")))
    assert read_list({"/tmp/SDN.CSV": SDN}).entities == read_list({"sdn.csv": SDN}).entities


@pytest.mark.parametrize(
    ("files", "code", "says"),
    [
        ({}, "no_list_file", "known: sdn.csv, alt.csv"),
        ({"sdn.csv": SDN, "README.md": b""}, "unknown_list_file", "'readme.md' is no file of a list; known: sdn.csv"),
        ({"sdn.csv": SDN, "x/SDN.csv": SDN}, "list_file_twice", "sdn.csv is given twice"),
        ({"alt.csv": SDN}, "list_incomplete", "alt.csv is given without sdn.csv"),
        ({"sdn.csv": SDN, "cons_alt.csv": SDN}, "list_incomplete", "cons_alt.csv is given without cons_prim.csv"),
        ({"sdn.csv": SDN, "sdn.xml": xml(())}, "list_twice", "sdn.csv and the XML are the same list"),
    ],
)
def test_the_wrong_files_are_named(files: dict[str, bytes], code: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_list(files)
    assert refused.value.code == code
    assert says in refused.value.message


def test_the_digest_is_of_names_and_contents_in_any_order() -> None:
    names = csv(alt(1, "B"))
    digest = read_list({"sdn.csv": SDN, "alt.csv": names}).digest
    assert digest == digest_of({"ALT.CSV": names, "/tmp/sdn.csv": SDN})
    others = ({"sdn.csv": SDN}, {"sdn.csv": SDN, "alt.csv": names + b" "}, {"sdn.csv": names, "alt.csv": SDN})
    assert digest not in map(digest_of, others)
    assert digest_of({"sdn.csv": SDN}) != digest_of({"cons_prim.csv": SDN})
    assert digest_of({"alt.csv": b"c", "sdn.csv": b"ab"}) != digest_of({"alt.csv": b"ca", "sdn.csv": b"b"})


def test_an_empty_list_is_a_list_of_nobody() -> None:
    assert read_list({"sdn.csv": b""}).entities == ()


def test_the_sample_shows_what_it_says_that_it_shows() -> None:
    parsed = read_list(sample_files())
    by_uid = {entity.uid: entity for entity in parsed.entities}
    kinds = {name.kind for entity in parsed.entities for name in entity.names}
    assert (len(parsed.entities), parsed.name_count, parsed.wallet_count) == (42, 118, 101)
    assert (parsed.warnings, parsed.cut_remarks) == ((), 0)
    assert {entity.type for entity in parsed.entities} == set(EntityType)
    assert kinds == set(NameKind)
    assert len({wallet.asset for entity in parsed.entities for wallet in entity.wallets}) == 16
    assert [wallet.asset for wallet in by_uid["SDN:29703"].wallets][-5:] == ["ETH", "LTC", "LTC", "ZEC", "BSV"]
    assert by_uid["SDN:9346"].countries == ("KP",)
    assert by_uid["SDN:24430"].name == "11420 CORP."


def test_the_sample_is_known_by_its_digest_only() -> None:
    files = sample_files()
    assert is_sample(digest_of(files))
    assert not is_sample(digest_of(files | {"add.csv": files["add.csv"] + b"\r\n"}))
