"""Accounts of the local chain as encrypted keystores, so that local runs take the same path as production."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fiatrails.local.anvil import DEV_MNEMONIC
from fiatrails.local.files import write_private

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

DEPLOYER, EXECUTOR, OFFICER, PAYER = range(4)

# The keys are published ones: a strong key derivation would only make every start a second slower.
_SCRYPT_N = 4096


def dev_address(index: int) -> str:
    """Return the address of one of anvil's funded accounts."""
    return str(_dev_account(index).address)


def write_keystore(path: Path, *, index: int, password: str) -> None:
    """Write one of anvil's accounts as a keystore (v3 JSON) that only its owner may read."""
    from eth_account import Account

    encrypted = Account.encrypt(_dev_account(index).key, password, kdf="scrypt", iterations=_SCRYPT_N)
    write_private(path, json.dumps(encrypted))


@functools.cache
def _dev_account(index: int) -> LocalAccount:
    # Half a second of processor time, which `down`, `reset` and an `up` that finds everything running need not spend.
    from eth_account import Account

    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(DEV_MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
    return account
