"""Remarks: everything that identifies somebody is found, and no text is too strange."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.screening.entities import DateRange, Identifier, Wallet
from fiatrails.screening.lists.formats.countries import alpha2
from fiatrails.screening.lists.formats.dates import read_date
from fiatrails.screening.lists.formats.identifiers import kind_of, read_identifier
from fiatrails.screening.lists.formats.remarks import items, joined, read_remarks, with_whole_label
from tests.unit.screening.list_files import CUT, cut


def span(earliest: str, latest: str) -> DateRange:
    return DateRange(date.fromisoformat(earliest), date.fromisoformat(latest))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15 Jan 1955", span("1955-01-15", "1955-01-15")),
        ("07 Sept 1964", span("1964-09-07", "1964-09-07")),
        ("Feb 1956", span("1956-02-01", "1956-02-29")),
        ("1946", span("1946-01-01", "1946-12-31")),
        ("circa 1965", span("1964-01-01", "1966-12-31")),
        ("circa 07 Jul 1966", span("1965-07-07", "1967-07-07")),
        ("circa 29 Feb 1960", span("1959-02-28", "1961-02-28")),
        ("1958 to 1961", span("1958-01-01", "1961-12-31")),
        ("circa 1958 to circa 1961", span("1957-01-01", "1962-12-31")),
        ("circa 1979-1982", span("1978-01-01", "1983-12-31")),
        ("1958 to circa 1961", span("1958-01-01", "1962-12-31")),
        ("01 Jan 1934 to 31 Dec 1934", span("1934-01-01", "1934-12-31")),
        ("Sep 1964 to Mar 1965", span("1964-09-01", "1965-03-31")),
        ("1961 to 1958", span("1958-01-01", "1961-12-31")),
        ("31 Jun 1970", span("1970-06-01", "1970-06-30")),
        ("circa 0001", span("0001-01-01", "0002-12-31")),
        ("circa 9999", span("9998-01-01", "9999-12-31")),
    ],
)
def test_a_birth_is_every_day_that_it_may_be(text: str, expected: DateRange) -> None:
    assert read_date(text) == expected


@pytest.mark.parametrize(
    "text", ["", "unknown", "0000", "15 Foo 1955", "1 to 2 to 3", "the sixties", "1955-01-15", "19"]
)
def test_a_date_that_is_not_understood_is_none(text: str) -> None:
    assert read_date(text) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Korea, North", "KP"),
        ("Democratic People's Republic of Korea", "KP"),
        ("Korea, South", "KR"),
        ("Burma", "MM"),
        ("Congo, Democratic Republic of the", "CD"),
        ("Congo, Republic of the", "CG"),
        ("Region: Crimea", "UA"),
        ("Region: Gaza", "PS"),
        ("possibly Palestinian", "PS"),
        ("Kosovo", "XK"),
        ("Cote d Ivoire", "CI"),
        ("The Gambia", "GM"),
        ("Bahamas, The", "BS"),
        ("Turkey", "TR"),
        ("russia", "RU"),
        ("St. Vincent and the Grenadines", "VC"),
        ("North Macedonia, The Republic of", "MK"),
        ("Macau", "MO"),
        ("Virgin Islands, British", "VG"),
        ("Vietnam", "VN"),
        ("Man, Isle of", "IM"),
        ("Iran", "IR"),
        ("undetermined", ""),
        ("Region: Commonwealth of Independent States", ""),
        ("Stuttgart", ""),
        ("", ""),
    ],
)
def test_ofacs_names_of_countries_become_codes(name: str, code: str) -> None:
    assert alpha2(name) == code


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("Passport A1234567 (Korea, North) expires 21 Aug 2025", Identifier("passport", "A1234567", "KP")),
        ("Passport K754050 issued 26 May 1999 expires 25 May 2004", Identifier("passport", "K754050")),
        ("Passport RL 1622378 (Lebanon)", Identifier("passport", "RL 1622378", "LB")),
        ("Passport 12 34 (undetermined)", Identifier("passport", "12 34")),
        ("National ID No. 216040 (Yemen)", Identifier("national_id", "216040", "YE")),
        ("Cedula No. 6068015 (Colombia)", Identifier("national_id", "6068015", "CO")),
        ("Tax ID No. 100036386 (Serbia)", Identifier("tax_id", "100036386", "RS")),
        ("NIT # 800018928-0 (Colombia)", Identifier("tax_id", "800018928-0", "CO")),
        (
            "Registration Number HRA 738077 (Stuttgart) (Germany)",
            Identifier("registration", "HRA 738077 (Stuttgart)", "DE"),
        ),
        ("Unified Social Credit Code (USCC) 91131000336 (China)", Identifier("registration", "91131000336", "CN")),
        ("Vessel Registration Identification IMO 7406784", Identifier("imo", "7406784")),
        ("Identification Number IMO 5342883", Identifier("imo_company", "5342883")),
        ("MMSI 572469210", Identifier("mmsi", "572469210")),
        ("Email Address admin@sinocpa.com", Identifier("email", "admin@sinocpa.com")),
        ("Telephone (98)(21)(66153220)", Identifier("phone", "(98)(21)(66153220)")),
        ("Phone Number 8613314257947", Identifier("phone", "8613314257947")),
        ("SWIFT/BIC SABRRUMM", Identifier("swift", "SABRRUMM")),
        ("BIK (RU) 044030707", Identifier("bik", "044030707")),
        ("Aircraft Construction Number (also called L/N or S/N or F/N) 8401", Identifier("aircraft_serial", "8401")),
        ("Permit Number IG0641T (Maldives) issued 07 May 2018", Identifier("permit_number", "IG0641T", "MV")),
        ("National ID No.: 1372584, Kenya", Identifier("national_id", "1372584, Kenya")),
    ],
)
def test_a_number_is_read_with_its_kind_and_country(item: str, expected: Identifier) -> None:
    assert read_identifier(item) == expected


@pytest.mark.parametrize(
    "item",
    [
        "Secondary sanctions risk: Ukraine-/Russia-Related Sanctions Regulations, 31 CFR 589.201",
        "Executive Order 13662 Directive Determination - Subject to Directive 1",
        "Linked To: LAZARUS GROUP",
        "Member of the State Duma",
        "Organization Established Date 1969",
        "arrested 23 Apr 2002",
        "U.S.A. Passport issued 21 Jun 1992 in Amman, Jordan",
        "Passport",
        "Registration Number",
    ],
)
def test_what_is_no_number_is_none(item: str) -> None:
    assert read_identifier(item) is None


def test_a_label_nobody_knows_is_its_own_kind() -> None:
    assert kind_of("Refugee ID Card") == "refugee_id_card"
    assert kind_of("Linked To:") == kind_of("Gender") == ""


def test_one_text_gives_all_of_it() -> None:
    said = read_remarks(
        "DOB 03 Mar 1985; alt. DOB circa 1984; POB Saint Petersburg, Russia; nationality Russia; alt. citizen Burma; "
        "Gender Male; alt. Passport 4005504207 (Russia); "
        "Digital Currency Address - XBT 1Fz29BQp82pE3vXXcsZoMNQ3KSHfMzfMe3; "
        "alt. Digital Currency Address - ETH 0x8576acc5c05d6ce88f4e49bf65bdf0c62f91353c; "
        "a.k.a. 'BOSS'; f.k.a. 'ANA I'; "
        "Linked To: LAZARUS GROUP."
    )
    assert said.births == [span("1985-03-03", "1985-03-03"), span("1983-01-01", "1985-12-31")]
    assert said.birth_places == ["Saint Petersburg, Russia"]
    assert said.nationalities == ["RU", "MM"]
    assert said.gender == "male"
    assert said.identifiers == [Identifier("passport", "4005504207", "RU")]
    assert said.wallets == [
        Wallet("XBT", "1Fz29BQp82pE3vXXcsZoMNQ3KSHfMzfMe3"),
        Wallet("ETH", "0x8576acc5c05d6ce88f4e49bf65bdf0c62f91353c"),
    ]
    assert said.weak_names == ["BOSS", "ANA I"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.k.a. 'BNC'.", ["BNC"]),
        ("a.k.a. 'ABU-'UMAR'; a.k.a. ''ABD AL-RAHMAN'.", ["ABU-'UMAR", "'ABD AL-RAHMAN"]),
        ("a.k.a. 'ABU AL-WAFA''; DOB 1970", ["ABU AL-WAFA'"]),
        ("a.k.a. 'THE FIRM; SONS'; a.k.a. 'B'.", ["THE FIRM; SONS", "B"]),
        ("alt. a.k.a. 'PEOPLE'S ARMY'", ["PEOPLE'S ARMY"]),
        ("a.k.a. 'NEVER CLOSED; a.k.a. 'WHOLE'.", ["WHOLE"]),
        ("Linked To: PRIVATE MILITARY COMPANY 'WAGNER'.", []),
        ("a.k.a. ''.", []),
    ],
)
def test_a_quoted_alias_ends_where_its_item_ends(text: str, names: list[str]) -> None:
    assert read_remarks(text).weak_names == names


def test_an_alias_that_is_never_closed_costs_nobody_else_anything() -> None:
    said = read_remarks(
        "a.k.a. 'OPEN; Passport 77 (Iran); Digital Currency Address - XBT 1abc; nationality Iran; a.k.a. 'X'"
    )
    assert said.wallets == [Wallet("XBT", "1abc")]
    assert (said.nationalities, said.identifiers) == (["IR"], [Identifier("passport", "77", "IR")])


def test_what_is_cut_goes_on_without_a_separator() -> None:
    whole = "x" * (CUT - 4) + "; Digital Currency Address - XBT 194xmrZA53; a.k.a. 'END'."
    for length in range(CUT, len(whole)):
        filler = "y" * (length - CUT)
        head, tail = cut(filler + whole)
        assert joined(head, tail) == filler + whole
        assert joined(head.rstrip(" "), tail) == filler + whole


def test_comments_of_another_day_grow_together_with_nothing() -> None:
    said = read_remarks(joined("Registration Number 1027700067328 (Russia).", "67328 (Russia)."))
    assert said.identifiers == [Identifier("registration", "1027700067328", "RU")]


def test_a_label_that_began_in_a_missing_row_is_completed() -> None:
    whole = "Digital Currency Address - XBT bc1qllm"
    for start in range(22):
        assert read_remarks(with_whole_label(whole[start:])).wallets == [Wallet("XBT", "bc1qllm")]
    assert with_whole_label("hn'; Linked To: X.") == "hn'; Linked To: X."


ADDRESS = st.text("0123456789abcdefABCDEFxyz", min_size=4, max_size=62)
WALLET = st.builds(Wallet, st.sampled_from(["XBT", "ETH", "USDT", "XMR", "TRX"]), ADDRESS)
NOISE = st.text(st.sampled_from("ab'\";.,:-()0 \n\u00e9") | st.characters(codec="utf-8"), max_size=40)
QUOTED = NOISE.map(lambda text: f"a.k.a. '{text}")


def written(wallet: Wallet) -> str:
    return f"Digital Currency Address - {wallet.asset} {wallet.address}"


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    read_remarks(text)
    read_date(text)
    read_identifier(text)
    alpha2(text)
    kind_of(text)
    list(items(text))
    joined(text, text)
    with_whole_label(text)


@given(st.lists(WALLET | NOISE | QUOTED, max_size=30))
def test_every_wallet_that_was_put_in_comes_out(parts: list[Wallet | str]) -> None:
    text = "; alt. ".join(written(part) if isinstance(part, Wallet) else part for part in parts)
    found = read_remarks(text).wallets
    assert [wallet for wallet in parts if isinstance(wallet, Wallet)] == [w for w in found if w in parts]


@given(st.lists(WALLET, min_size=20, max_size=60), st.text("abc '", max_size=70))
def test_no_wallet_is_lost_at_the_cut(wallets: list[Wallet], before: str) -> None:
    text = "; ".join([f"Title {before}", *map(written, wallets)])
    assert read_remarks(joined(*cut(text))).wallets == wallets
