"""Calldata, events and errors of our contracts. Source: contracts/src; selectors are derived here, never copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from fiatrails.chains.core.rpc import RpcError

_SETTLEMENTS = "(address,uint256,bytes32)[]"
_ERROR_STRING = "08c379a0"

# contracts/src/libraries/SkipCodes.sol: a public contract, appended and never renumbered.
SKIP_CODES = {
    1: "already_exists",
    2: "not_compliant",
    3: "invalid_amount",
    4: "over_per_mint_limit",
    5: "over_daily_limit",
    6: "rate_limited",
    7: "minter_allowance",
    8: "token_refused",
    9: "not_pending",
    10: "invalid_user",
    11: "payer_denied",
}


def _selector(signature: str) -> bytes:
    return bytes(keccak(signature.encode())[:4])


def _topic(signature: str) -> str:
    return "0x" + keccak(signature.encode()).hex()


MINT_EXECUTED = _topic("MintExecuted(bytes32,address,uint256,bytes32,bytes32)")
MINT_SKIPPED = _topic("MintSkipped(bytes32,uint8)")
_SETTLE_BATCH = _selector(f"settleBatch({_SETTLEMENTS})")
_INTENT_STATES = _selector("intentStates(bytes32[])")
_GET_INTENT = _selector("getIntent(bytes32)")
_UPDATE_USER = _selector("updateUser(address,uint8,bytes32,bool)")
_GET_USER = _selector("getUser(address)")
_IS_COMPLIANT = _selector("isCompliant(address)")
_IS_SANCTIONED = _selector("isSanctioned(address)")
# The calldata of decimals().
DECIMALS = _selector("decimals()")

# Reverts that concern a whole batch, whoever is in it: waiting helps, taking intents out does not.
_SYSTEMIC = (
    "SystemPaused()", "EnforcedPause()", "Unauthorized()", "AccessControlUnauthorizedAccount(address,bytes32)",
    "ERC20InsufficientBalance(address,uint256,uint256)", "ERC20InsufficientAllowance(address,uint256,uint256)",
    "TransferFailed()", "SafeERC20FailedOperation(address)", "MintCallFailed()",
)  # fmt: skip
_OTHERS = (
    "BatchTooLarge()", "InvalidRiskScore()", "UserNotFound()", "InvalidAttestation()", "IntentNotFound()",
    "InvalidAddress()", "LogNotWritten()", "FailedDeployment()",
)  # fmt: skip
_NAMES = {_selector(text).hex(): text.split("(")[0] for text in _SYSTEMIC + _OTHERS}
_SYSTEMIC_NAMES = frozenset(text.split("(")[0] for text in _SYSTEMIC)


@dataclass(frozen=True, slots=True)
class Item:
    """One settlement: `amount` base units to `user`; `tx_ref_word` is the bytes32 reference."""

    intent_id: str
    user: str
    amount: int
    tx_ref_word: str


@dataclass(frozen=True, slots=True)
class OnChainIntent:
    """What the escrow has recorded for an intent."""

    user: str
    amount: int


@dataclass(frozen=True, slots=True)
class RegistryRecord:
    """The registry's record of a user, zeroed when there is none."""

    risk_score: int
    attestation_hash: str
    last_updated: int
    is_verified: bool


def settle_batch(items: Sequence[Item]) -> bytes:
    """Calldata of settleBatch(Settlement[])."""
    rows = [(item.user, item.amount, bytes.fromhex(item.tx_ref_word[2:])) for item in items]
    return _SETTLE_BATCH + encode([_SETTLEMENTS], [rows])


def intent_states(intent_ids: Sequence[str]) -> bytes:
    """Calldata of intentStates(bytes32[])."""
    return _INTENT_STATES + encode(["bytes32[]"], [[bytes.fromhex(i[2:]) for i in intent_ids]])


def decode_intent_states(result: str) -> list[int]:
    """0 unknown, 1 pending, 2 executed, 3 refunded, 4 failed; ValueError when it is no such answer."""
    return [int(state) for state in _decode(["uint8[]"], result)[0]]


def get_intent(intent_id: str) -> bytes:
    """Calldata of getIntent(bytes32)."""
    return _GET_INTENT + bytes.fromhex(intent_id[2:])


def decode_intent(result: str) -> OnChainIntent:
    """Answer of getIntent; ValueError when it is no such answer."""
    row = _decode(["(address,uint256,bytes32,bytes32,uint256,uint8)"], result)[0]
    return OnChainIntent(user=str(row[0]).lower(), amount=int(row[1]))


def update_user(address: str, risk_score: int, attestation_hash: str, verified: bool) -> bytes:
    """Calldata of updateUser(address,uint8,bytes32,bool)."""
    values = (address, risk_score, bytes.fromhex(attestation_hash[2:]), verified)
    return _UPDATE_USER + encode(["address", "uint8", "bytes32", "bool"], values)


def decode_update(data: bytes) -> tuple[int, str, bool]:
    """Score, attestation and verification of what `update_user` made."""
    _, score, attestation, verified = decode(["address", "uint8", "bytes32", "bool"], data[4:])
    return int(score), "0x" + bytes(attestation).hex(), bool(verified)


def get_user(address: str) -> bytes:
    """Calldata of getUser(address)."""
    return _GET_USER + encode(["address"], [address])


def is_compliant(address: str) -> bytes:
    """Calldata of isCompliant(address)."""
    return _IS_COMPLIANT + encode(["address"], [address])


def is_sanctioned(address: str) -> bytes:
    """Calldata of isSanctioned(address), as on-chain sanctions oracles have it."""
    return _IS_SANCTIONED + encode(["address"], [address])


def decode_user(result: str) -> RegistryRecord:
    """Answer of getUser; ValueError when it is no such answer."""
    score, attestation, updated, verified = _decode(["(uint8,bytes32,uint256,bool)"], result)[0]
    return RegistryRecord(int(score), "0x" + bytes(attestation).hex(), int(updated), bool(verified))


def decode_bool(result: str) -> bool:
    """Answer of a function that returns bool; ValueError when it is no such answer."""
    return bool(_decode(["bool"], result)[0])


def decode_uint(result: str) -> int:
    """Answer of a function that returns a number; ValueError when it is no such answer."""
    return int(_decode(["uint256"], result)[0])


def revert_name(error: RpcError) -> str:
    """A short stable name for why a call reverted."""
    data = error.data.removeprefix("0x")
    if data[:8] == _ERROR_STRING:
        try:
            return str(decode(["string"], bytes.fromhex(data[8:]))[0])[:80]
        except (DecodingError, ValueError, OverflowError):
            return "reverted"
    return _NAMES.get(data[:8], f"0x{data[:8]}" if len(data) >= 8 else "reverted")


def is_systemic(name: str) -> bool:
    """Whether a revert of this name concerns the whole rail rather than one intent."""
    return name in _SYSTEMIC_NAMES


def _decode(types: list[str], result: str) -> tuple[Any, ...]:
    try:
        return decode(types, bytes.fromhex(result.removeprefix("0x")))
    except (DecodingError, ValueError, OverflowError, AttributeError) as error:
        raise ValueError(f"not an answer of {types}") from error
