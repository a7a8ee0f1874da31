"""The compliance manager behind its proxy. Source: contracts/src/ComplianceManager.sol."""

from __future__ import annotations

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from fiatrails.chains.evm.contracts.contract import Pausable, Read
from fiatrails.chains.evm.contracts.deployment import checksum_address

# ERC-1967: keccak256("eip1967.proxy.implementation") - 1.
_IMPLEMENTATION_SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"


class ComplianceManager(Pausable):
    """The proxy that everyone talks to."""

    def implementation(self) -> Read[str | None]:
        """Ask what the proxy delegates to; None when it is none."""
        return Read("eth_getStorageAt", (self.address, _IMPLEMENTATION_SLOT), _address)


def _address(word: object) -> str | None:
    try:
        (address,) = decode(["address"], bytes.fromhex(str(word).removeprefix("0x")))
    except (DecodingError, OverflowError) as error:
        raise ValueError("not an implementation slot") from error
    return checksum_address(address) if int(address, 16) else None
