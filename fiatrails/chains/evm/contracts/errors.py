"""What a revert means: the custom errors of our contracts, and of those they call, by name."""

from __future__ import annotations

from functools import cache

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from fiatrails.chains.core.rpc import RpcError
from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.chains.evm.pool import revert_data

_CONTRACTS = ("MintEscrow", "CountryToken", "UserRegistry", "ComplianceManager", "USDStablecoin")
# What `require` and `revert` with a text make; every Solidity contract has it.
_ERROR_STRING = keccak(text="Error(string)")[:4].hex()

# Reverts that concern a whole batch, whoever is in it: waiting helps, taking intents out does not.
SYSTEMIC = frozenset(
    {
        "SystemPaused", "EnforcedPause", "Unauthorized", "AccessControlUnauthorizedAccount",
        "ERC20InsufficientBalance", "ERC20InsufficientAllowance", "TransferFailed", "SafeERC20FailedOperation",
        "MintCallFailed",
    }
)


@cache
def error_names() -> dict[str, str]:
    """Return the names of all custom errors by selector, eight hex digits."""
    return {selector: name for contract in _CONTRACTS for selector, name in load(contract).errors().items()}


def revert_name(error: RpcError) -> str:
    """Return a short stable name for why a call reverted."""
    data = revert_data(error).removeprefix("0x")
    if data[:8] == _ERROR_STRING:
        try:
            return str(decode(["string"], bytes.fromhex(data[8:]))[0])[:80]
        except (DecodingError, ValueError, OverflowError):
            return "reverted"
    return error_names().get(data[:8], f"0x{data[:8]}" if len(data) >= 8 else "reverted")


def is_systemic(name: str) -> bool:
    """Return whether a revert of this name concerns the whole rail rather than one intent."""
    return name in SYSTEMIC
