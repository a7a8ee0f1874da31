"""The state directory: private, written once, and readable by a shell."""

import json
import stat
import subprocess
from pathlib import Path

import pytest
from eth_account import Account

from fiatrails.kernel.errors import Misconfigured
from fiatrails.local.environment import initial_environment, profile_countries
from fiatrails.local.keystores import EXECUTOR, dev_address
from fiatrails.local.state import StateDir, generated_secrets, read_env, rotated_secrets, write_env

PORTS = {"api": 1, "anvil": 2, "mpesa": 3}


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    prepared = StateDir(tmp_path / "state")
    prepared.prepare()
    return prepared


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_secret_is_readable_by_its_owner_only(state: StateDir) -> None:
    write_env(state.env_file, {"HMAC_SECRET": "x"})
    assert mode(state.root) == 0o700
    private = (state.env_file, state.password_file, state.keystore("executor"), state.keystore("officer"))
    assert [mode(path) for path in private] == [0o600] * 4


def test_keystores_open_with_the_password_and_hold_different_accounts(state: StateDir) -> None:
    password = state.password_file.read_text()
    opened = {
        name: Account.from_key(Account.decrypt(json.loads(state.keystore(name).read_text()), password)).address
        for name in ("deployer", "executor", "officer")
    }
    assert len(set(opened.values())) == 3
    assert opened["executor"] == dev_address(EXECUTOR)


def test_preparing_again_changes_no_secret(state: StateDir) -> None:
    before = state.password_file.read_text()
    state.prepare()
    assert state.password_file.read_text() == before


def test_secrets_are_kept_once_they_exist_and_differ_from_each_other() -> None:
    first = generated_secrets({})
    assert generated_secrets(first) == first
    assert len(set(first.values())) == len(first)
    assert all(len(value) >= 64 for value in first.values())


def test_a_secret_that_the_shell_exports_is_taken_and_no_other() -> None:
    stored = {"HMAC_SECRET": "old", "MPESA_GATEWAY_SECRET": "same", "DJANGO_SECRET_KEY": "ours"}
    exported = {"HMAC_SECRET": "new", "MPESA_GATEWAY_SECRET": "same", "DJANGO_SECRET_KEY": "theirs", "HOME": "/"}
    assert rotated_secrets(stored, exported) == {"HMAC_SECRET": "new"}
    assert rotated_secrets(stored, {"HMAC_SECRET": ""}) == {}


def test_both_sides_of_the_sandbox_share_their_secrets(state: StateDir) -> None:
    environment = initial_environment(state, ports=PORTS, stored={})
    assert environment["MPESA_SANDBOX_GATEWAY_SECRET"] == environment["MPESA_GATEWAY_SECRET"]
    assert environment["MPESA_SANDBOX_PASSKEY"] == environment["MPESA_PASSKEY"]


def test_a_shell_reads_the_same_values(state: StateDir) -> None:
    value = """a "quoted" $HOME 'value' \\ with spaces"""
    write_env(state.env_file, {"TRICKY": value})
    said = subprocess.run(
        ["sh", "-c", f'set -a; . "{state.env_file}"; printf %s "$TRICKY"'], check=True, capture_output=True, text=True
    )
    assert said.stdout == value
    assert read_env(state.env_file) == {"TRICKY": value}


def test_the_countries_of_the_stack_are_those_of_the_profile(tmp_path: Path) -> None:
    assert [country.country_code for country in profile_countries(None)] == ["KES"]
    profile = tmp_path / "seed.json"
    uganda = {
        "countryCode": "UGX",
        "currency": "UGX",
        "stablecoin": {"currency": "USD"},
        "price": {"minorUnitsPerToken": 3700, "unverified": True},
    }
    profile.write_text(json.dumps({"countries": [{"countryCode": "KES", "currency": "KES"}, uganda]}))
    found = {country.country_code: country.stablecoin_currency for country in profile_countries(str(profile))}
    assert found == {"KES": "KES", "UGX": "USD"}
    profile.write_text(json.dumps({"countries": [{**uganda, "currency": "XXX"}]}))
    with pytest.raises(Misconfigured, match=r"seed\.json"):
        profile_countries(str(profile))
