"""A file of parties, row by row."""

from __future__ import annotations

from datetime import date

import pytest

from fiatrails.kernel.errors import BadInput
from fiatrails.screening.entities import EntityType
from fiatrails.screening.matching.parties import read_parties


def test_a_row_is_a_party_and_only_a_name_or_a_wallet_is_needed() -> None:
    lines = ["name,type,born,country,wallet", " Jane Wanjiku ,Person,1991-04-02,KE UG,0xab 0xcd"]
    [jane] = read_parties(lines)
    assert (jane.name, jane.type, jane.born) == ("Jane Wanjiku", EntityType.PERSON, date(1991, 4, 2))
    assert (jane.countries, jane.wallets) == (("KE", "UG"), ("0xab", "0xcd"))
    [bare] = read_parties(["wallet", "0xab"])
    assert (bare.name, bare.type, bare.born, bare.wallets) == ("", None, None, ("0xab",))


@pytest.mark.parametrize(
    ("lines", "code", "named"),
    [
        (["type,born", "person,1991-04-02"], "file_columns", "name or wallet"),
        (["name,type", "Jane,person", "John,ship"], "file_type", "line 3"),
        (["name,born", "Jane,2 April"], "malformed_date", "2 April"),
    ],
)
def test_what_cannot_be_read_is_named(lines: list[str], code: str, named: str) -> None:
    with pytest.raises(BadInput, match=named) as refused:
        list(read_parties(lines))
    assert refused.value.code == code
