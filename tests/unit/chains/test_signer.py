"""Keys stay in their keystores until a signature is wanted, and never show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from fiatrails.chains.evm.signer import KeystoreSigner, TransactionFields, load_signers
from fiatrails.kernel.conf import SignerConfig
from fiatrails.kernel.errors import Misconfigured

KEY = "0x" + "42" * 32
FIELDS = TransactionFields(
    chain_id=31337, nonce=7, to="0x" + "11" * 20, data=b"\x01\x02", gas=50_000, max_fee=2 * 10**9, tip=10**9
)


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(Account.encrypt(KEY, "right", kdf="pbkdf2", iterations=1000)))
    return path


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("right\n")
    return path


def test_it_signs_what_it_was_given(keystore: Path, password: Path) -> None:
    signer = KeystoreSigner(keystore, password)
    signed = signer.sign_transaction(FIELDS)
    assert Account.recover_transaction(signed.raw).lower() == signer.address
    assert signed.raw[0] == 2
    assert signed.hash == "0x" + Account.from_key(KEY).sign_transaction(
        {
            "type": 2,
            "chainId": 31337,
            "nonce": 7,
            "to": "0x" + "11" * 20,
            "value": 0,
            "data": b"\x01\x02",
            "gas": 50_000,
            "maxFeePerGas": 2 * 10**9,
            "maxPriorityFeePerGas": 10**9,
        }
    ).hash.hex().removeprefix("0x")


def test_the_address_is_known_without_unlocking(keystore: Path) -> None:
    assert KeystoreSigner(keystore, None).address == Account.from_key(KEY).address.lower()


def test_a_keystore_that_names_no_address_is_asked_for_it(keystore: Path, password: Path) -> None:
    content = json.loads(keystore.read_text())
    del content["address"]
    keystore.write_text(json.dumps(content))
    assert KeystoreSigner(keystore, password).address == Account.from_key(KEY).address.lower()


def test_a_keystore_that_names_another_address_is_refused(keystore: Path, password: Path) -> None:
    keystore.write_text(json.dumps(json.loads(keystore.read_text()) | {"address": "77" * 20}))
    with pytest.raises(Misconfigured, match="keystore_mismatch"):
        KeystoreSigner(keystore, password).sign_transaction(FIELDS)


def test_a_wrong_password_says_what_to_check(keystore: Path, password: Path) -> None:
    password.write_text("hunter3")
    with pytest.raises(Misconfigured, match="PASSWORD_FILE") as refused:
        KeystoreSigner(keystore, password).sign_transaction(FIELDS)
    assert "hunter3" not in str(refused.value)


def test_the_key_never_shows(keystore: Path, password: Path) -> None:
    signer = KeystoreSigner(keystore, password)
    signer.sign_transaction(FIELDS)
    assert "42424242" not in repr(signer) + str(vars(signer))


def test_one_address_has_one_signer(keystore: Path, password: Path) -> None:
    with pytest.raises(Misconfigured, match="signer_shared"):
        load_signers(SignerConfig(keystores=(keystore,), officer_keystore=keystore, password_file=password))
    signers = load_signers(SignerConfig(keystores=(keystore,), officer_keystore=None, password_file=password))
    address = signers.executors[0].address
    assert signers.by_address(address) is signers.executors[0]
    assert signers.by_address("0x" + "00" * 20) is None
