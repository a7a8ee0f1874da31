"""The address book: read as the deploy script writes it, and what to do when it is not there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fiatrails.chains.evm.contracts.deployment import deployment
from fiatrails.kernel.errors import Misconfigured

A = [f"0x{number:040x}" for number in range(1, 9)]
BOOK = {
    "31337": {
        "chainId": 31337,
        "block": 5,
        "contracts": {
            "UserRegistry": A[0],
            "ComplianceManager": {"proxy": A[1], "implementation": A[2]},
            "USDStablecoin": A[3],
            "KES": {"CountryToken": A[4], "MintEscrow": A[5], "countryCode": "KES"},
        },
    }
}


def _write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_it_is_read_as_written(tmp_path: Path) -> None:
    found = deployment(_write(tmp_path / "d.json", BOOK), 31337)
    assert (found.registry, found.manager, found.manager_implementation) == tuple(A[:3])
    assert found.country("KES").escrow == A[5]
    assert found.country("KES").token == A[4]
    with pytest.raises(Misconfigured, match="country_not_deployed"):
        found.country("UGX")


def test_each_country_has_its_coin(tmp_path: Path) -> None:
    book = json.loads(json.dumps(BOOK))
    book["31337"]["contracts"]["KES"] |= {"Stablecoin": A[6], "stablecoinCurrency": "KES"}
    country = deployment(_write(tmp_path / "d.json", book), 31337).country("KES")
    assert (country.stablecoin, country.stablecoin_currency) == (A[6], "KES")


def test_in_an_older_book_all_share_one_coin_whose_currency_nobody_knows(tmp_path: Path) -> None:
    country = deployment(_write(tmp_path / "d.json", BOOK), 31337).country("KES")
    assert (country.stablecoin, country.stablecoin_currency) == (A[3], "")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "deployments_missing"),
        ("{", "deployments_malformed"),
        ([], "deployments_malformed"),
        ({}, "chain_not_deployed"),
        ({"31337": {}}, "deployments_malformed"),
        ({"31337": {"block": 1, "contracts": {"UserRegistry": "0x"}}}, "deployments_malformed"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: object, code: str) -> None:
    path = tmp_path / "d.json"
    if content is not None:
        _write(path, content)
    with pytest.raises(Misconfigured) as refused:
        deployment(path, 31337)
    assert refused.value.code == code


def test_a_new_deployment_is_noticed(tmp_path: Path) -> None:
    path = _write(tmp_path / "d.json", BOOK)
    deployment(path, 31337)
    moved = json.loads(json.dumps(BOOK))
    moved["31337"]["contracts"]["UserRegistry"] = A[7]
    _write(path, moved)
    os.utime(path, ns=(1, 1))
    assert deployment(path, 31337).registry == A[7]
