"""The keys: keystores that open, a password that is private, accounts that can pay for gas."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fiatrails.chains.evm.signer import KeystoreSigner
from fiatrails.kernel.errors import FiatRailsError
from fiatrails.operations.doctor.checks import NO_RESULT, CheckResult, Context, Findings, Level

_MIN_BALANCE_WEI = 10**17


def check_signers(context: Context) -> Findings:
    """Check that the keystores can be read, their password is private, and each account can pay for gas."""
    signers = context.config.signers
    if not signers.keystores:
        yield CheckResult("signers", Level.FAIL, "no keystore", "set SIGNER_KEYSTORE")
        return
    yield _password_file(signers.password_file)
    officers = [signers.officer_keystore] if signers.officer_keystore else []
    for keystore in (*signers.keystores, *officers):
        yield _account(context, keystore)


def _password_file(path: Path | None) -> CheckResult:
    if path is None or not os.access(path, os.R_OK):
        return CheckResult(
            "keystore password", Level.FAIL, "cannot be read", "set SIGNER_KEYSTORE_PASSWORD_FILE to its path"
        )
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return CheckResult("keystore password", Level.WARN, f"{path} is open to others", f"chmod 600 {path}")
    return CheckResult("keystore password", Level.OK, "readable, private")


def _balance(context: Context, address: str) -> CheckResult:
    try:
        answer = context.rpc(context.config.profile.rpc_urls[0], "eth_getBalance", address, "latest")
    except NO_RESULT:
        return CheckResult("balance", Level.FAIL, f"{address}: the chain did not answer", "check RPC_URL")
    ether = int(str(answer), 16) / 10**18
    if int(str(answer), 16) < _MIN_BALANCE_WEI:
        return CheckResult("balance", Level.FAIL, f"{address} holds {ether:.4f}", "send it gas money")
    return CheckResult("balance", Level.OK, f"{address} holds {ether:.2f}")


def _account(context: Context, keystore: Path) -> CheckResult:
    """Check the account of a keystore. The keystore need not name its address (`cast wallet new` does not write it):
    then it has to open."""
    try:
        address = KeystoreSigner(keystore, context.config.signers.password_file).address
    except FiatRailsError as error:
        what, _, next_step = error.message.partition("; ")
        return CheckResult("keystore", Level.FAIL, what, next_step or "make it anew, or correct SIGNER_KEYSTORE")
    return _balance(context, address)
