"""The names under which the escrow knows a payment. Source: contracts/src/MintEscrow.sol, `computeIntentId`."""

from __future__ import annotations

from collections.abc import Callable

from eth_abi.abi import encode
from eth_utils.crypto import keccak


def tx_ref_hash(tx_ref: str) -> str:
    """Return the bytes32 reference of a payment: keccak256 of the UTF-8 text, as 0x and 64 lower-case hex digits."""
    return "0x" + keccak(tx_ref.encode()).hex()


def intent_id(*, chain_id: int, escrow: str, payer: str, tx_ref: str) -> str:
    """Return keccak256(abi.encode(chainid, escrow, payer, txRef)) as 0x and 64 lower-case hex digits.

    `payer` of everything that the rail settles is the escrow itself, so that neither the signer nor the treasury
    is part of the id: two lanes can never mint one payment twice.
    """
    return intent_id_of_hash(chain_id=chain_id, escrow=escrow, payer=payer, tx_ref_word=tx_ref_hash(tx_ref))


def intent_id_of_hash(*, chain_id: int, escrow: str, payer: str, tx_ref_word: str) -> str:
    """Return what `intent_id` does, from a reference that is hashed already."""
    return intent_ids(chain_id=chain_id, escrow=escrow, payer=payer)(tx_ref_word)


def intent_ids(*, chain_id: int, escrow: str, payer: str) -> Callable[[str], str]:
    """Return `intent_id_of_hash` for many references of one payer."""
    words = encode(["uint256", "address", "address"], [chain_id, escrow, payer])
    return lambda tx_ref_word: "0x" + keccak(words + bytes.fromhex(tx_ref_word[2:])).hex()
