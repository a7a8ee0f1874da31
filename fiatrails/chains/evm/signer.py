"""Who signs. Keys stay behind the protocol; nothing here prints or logs them."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.conf import SignerConfig
from fiatrails.kernel.errors import BadInput, Misconfigured

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


@dataclass(frozen=True, slots=True)
class TransactionFields:
    """An EIP-1559 transaction without its signature; fees in wei per gas, value always 0: the rail sends no coins."""

    chain_id: int
    nonce: int
    to: str
    data: bytes
    gas: int
    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Raw bytes as eth_sendRawTransaction takes them, and their hash (0x, lower case)."""

    raw: bytes
    hash: str


class Signer(Protocol):
    """Signs for one address. A KMS or a signer process of its own implements just this: it may block on the network
    (never called inside a transaction) and may refuse by policy with any FiatRailsError. The answer to the same fields
    need not be the same bytes: what was signed is committed before it is used."""

    @property
    def address(self) -> str:
        """Return the lower-case address; known without unlocking anything."""

    def sign_transaction(self, fields: TransactionFields) -> SignedTransaction:
        """Sign exactly these fields."""


class KeystoreSigner:
    """A v3 keystore (encrypted JSON), decrypted at the first signature and once. Never in the repr."""

    def __init__(self, path: Path, password_file: Path | None) -> None:
        self._path = path
        self._password_file = password_file
        self._lock = threading.Lock()
        self._account: LocalAccount | None = None
        self._address = self._read_address()

    def __repr__(self) -> str:
        return f"KeystoreSigner({self.address})"

    @property
    def address(self) -> str:
        """Return the address: from the keystore's address field, or from the key when the file does not name it."""
        if self._address is None:
            self._address = self._unlocked().address.lower()
        return self._address

    def sign_transaction(self, fields: TransactionFields) -> SignedTransaction:
        """Sign exactly these fields; Misconfigured when the keystore cannot be opened."""
        return sign_with(self._unlocked(), fields)

    def _unlocked(self) -> LocalAccount:
        with self._lock:
            if self._account is None:
                self._account = self._decrypt()
            return self._account

    def _decrypt(self) -> LocalAccount:
        # Half a second of processor time, which only who signs should spend.
        from eth_account import Account

        password = _password(self._password_file)
        try:
            account: LocalAccount = Account.from_key(Account.decrypt(self._keystore(), password))
        except (ValueError, KeyError, TypeError):
            raise Misconfigured(
                "keystore_locked", f"{self._path} does not open; check SIGNER_KEYSTORE_PASSWORD_FILE"
            ) from None
        if self._address is not None and account.address.lower() != self._address:
            raise Misconfigured("keystore_mismatch", f"{self._path} names another address than its key has")
        return account

    def _read_address(self) -> str | None:
        named = self._keystore().get("address")
        if not isinstance(named, str):
            return None
        try:
            return parse_address("0x" + named.lower().removeprefix("0x"))
        except BadInput:
            raise Misconfigured("keystore_malformed", f"{self._path} names no address") from None

    def _keystore(self) -> dict[str, object]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise Misconfigured(
                "keystore_unreadable", f"{self._path} is no readable keystore; check SIGNER_KEYSTORE"
            ) from None
        if not isinstance(content, dict):
            raise Misconfigured("keystore_malformed", f"{self._path} is not a v3 keystore")
        return content


@dataclass(frozen=True, slots=True)
class Signers:
    """One signer per executor lane, and the compliance officer's."""

    executors: tuple[Signer, ...]
    officer: Signer | None = None

    def by_address(self, address: str) -> Signer | None:
        """Return the signer of a lane, or None when this process does not hold it."""
        everyone = (*self.executors, *((self.officer,) if self.officer else ()))
        return next((signer for signer in everyone if signer.address == address), None)


def load_signers(settings: SignerConfig) -> Signers:
    """Return the signers of the configuration; keys stay encrypted until they are needed. Misconfigured when two share
    an address: a nonce sequence has one owner."""
    executors = tuple(KeystoreSigner(path, settings.password_file) for path in settings.keystores)
    officer = settings.officer_keystore and KeystoreSigner(settings.officer_keystore, settings.password_file)
    signers = Signers(executors, officer or None)
    _refuse_shared([*executors, *([officer] if officer else [])])
    return signers


def sign_with(account: LocalAccount, fields: TransactionFields) -> SignedTransaction:
    """Sign with a key in memory."""
    signed = account.sign_transaction(
        {
            "type": 2,
            "chainId": fields.chain_id,
            "nonce": fields.nonce,
            "to": bytes.fromhex(fields.to[2:]),
            "value": 0,
            "data": fields.data,
            "gas": fields.gas,
            "maxFeePerGas": fields.max_fee,
            "maxPriorityFeePerGas": fields.tip,
        }
    )
    return SignedTransaction(raw=bytes(signed.raw_transaction), hash="0x" + bytes(signed.hash).hex())


def _password(path: Path | None) -> str:
    if path is None:
        raise Misconfigured("keystore_password", "set SIGNER_KEYSTORE_PASSWORD_FILE to open the signers' keystores")
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError:
        raise Misconfigured("keystore_password", f"cannot read {path}; check SIGNER_KEYSTORE_PASSWORD_FILE") from None


def _refuse_shared(signers: Sequence[Signer]) -> None:
    addresses = [signer.address for signer in signers]
    if len(set(addresses)) != len(addresses):
        raise Misconfigured("signer_shared", "two keystores hold the same address; give every lane a key of its own")
