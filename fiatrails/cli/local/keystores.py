"""Accounts of the local chain as encrypted keystores, so that local runs take the same path as production."""

import json
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from fiatrails.cli.local.anvil import DEV_MNEMONIC
from fiatrails.cli.local.files import write_private

DEPLOYER, EXECUTOR, OFFICER, PAYER = range(4)

# The keys are published ones: a strong key derivation would only make every start a second slower.
_SCRYPT_N = 4096


def dev_address(index: int) -> str:
    """The address of one of anvil's funded accounts."""
    return str(_dev_account(index).address)


def write_keystore(path: Path, *, index: int, password: str) -> None:
    """Write one of anvil's accounts as a keystore (v3 JSON) that only its owner may read."""
    encrypted = Account.encrypt(_dev_account(index).key, password, kdf="scrypt", iterations=_SCRYPT_N)
    write_private(path, json.dumps(encrypted))


def _dev_account(index: int) -> LocalAccount:
    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(DEV_MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
    return account
