"""The registry of cleared users. Source: contracts/src/interfaces/IUserRegistry.sol."""

from __future__ import annotations

from dataclasses import dataclass

from fiatrails.chains.evm.contracts.contract import AccessControlled, Read
from fiatrails.chains.evm.contracts.encoding import as_bytes, load

# Source: contracts/src/UserRegistryBase.sol, which reverts above it.
HIGHEST_SCORE = 100

_ABI = load("UserRegistry")
_GET_USER = _ABI.function("getUser")
_IS_COMPLIANT = _ABI.function("isCompliant")
_UPDATE_USER = _ABI.function("updateUser")


@dataclass(frozen=True, slots=True)
class RegistryRecord:
    """The registry's record of a user, zeroed when there is none. `last_updated` in Unix seconds."""

    risk_score: int
    attestation_hash: str
    last_updated: int
    is_verified: bool


@dataclass(frozen=True, slots=True)
class UserUpdate:
    """What a call of updateUser writes."""

    user: str
    risk_score: int
    attestation_hash: str
    is_verified: bool


class UserRegistry(AccessControlled):
    """The contract that says who may receive tokens."""

    def get_user(self, user: str) -> Read[RegistryRecord]:
        """Ask for the record of a user."""
        return self._view(_GET_USER.encode(user), _record)

    def is_compliant(self, user: str) -> Read[bool]:
        """Ask whether the registry clears the user."""
        return self._value(_IS_COMPLIANT, user)

    @staticmethod
    def update_user(update: UserUpdate) -> bytes:
        """Return the calldata that writes the record."""
        word = as_bytes(update.attestation_hash)
        return _UPDATE_USER.encode(update.user, update.risk_score, word, update.is_verified)

    @staticmethod
    def read_update(calldata: bytes) -> UserUpdate:
        """Return what the calldata of `update_user` writes; ValueError when it is of another call."""
        user, score, attestation, verified = _UPDATE_USER.arguments(calldata)
        return UserUpdate(user, score, "0x" + attestation.hex(), verified)


def _record(result: object) -> RegistryRecord:
    score, attestation, updated, verified = _GET_USER.answer(result)[0]
    return RegistryRecord(score, "0x" + attestation.hex(), updated, verified)
