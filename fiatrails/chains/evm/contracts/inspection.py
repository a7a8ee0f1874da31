"""What stands at an address: code, proxy target, switches, roles. For operators' checks, not for the rail's flow."""

from __future__ import annotations

import httpx
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from fiatrails.kernel.errors import OutsideUnknown

# ERC-1967: keccak256("eip1967.proxy.implementation") - 1.
_IMPLEMENTATION_SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"


class ContractReader:
    """Reads of one endpoint. Each raises OutsideUnknown when the chain gives no answer."""

    def __init__(self, client: httpx.Client, rpc_url: str) -> None:
        self._client = client
        self._rpc_url = rpc_url

    def has_code(self, address: str) -> bool:
        """Whether a contract stands at the address."""
        return self._ask("eth_getCode", address, "latest") not in ("0x", "")

    def implementation(self, proxy: str) -> str | None:
        """What an ERC-1967 proxy delegates to."""
        word = self._ask("eth_getStorageAt", proxy, _IMPLEMENTATION_SLOT, "latest")
        return checksum_address(f"0x{word[-40:]}") if int(word, 16) else None

    def flag(self, address: str, signature: str, arguments: bytes = b"") -> bool:
        """The answer of a view function that returns bool."""
        data = keccak(text=signature)[:4] + arguments
        answer = self._ask("eth_call", {"to": address, "data": f"0x{data.hex()}"}, "latest")
        return answer != "0x" and int(answer, 16) == 1

    def number(self, address: str, signature: str) -> int | None:
        """The answer of a view function that returns a number; None where nothing is answered."""
        answer = self._ask("eth_call", {"to": address, "data": f"0x{keccak(text=signature)[:4].hex()}"}, "latest")
        return int(answer, 16) if answer not in ("0x", "") else None

    def has_role(self, contract: str, role: str, account: str) -> bool:
        """Whether AccessControl grants the role, named as in the contract's source, to the account."""
        arguments = keccak(text=role) + _word(account)
        return self.has_code(contract) and self.flag(contract, "hasRole(bytes32,address)", arguments)

    def is_compliant(self, registry: str, user: str) -> bool:
        """Whether the registry clears the user."""
        return self.flag(registry, "isCompliant(address)", _word(user))

    def _ask(self, method: str, *parameters: object) -> str:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        try:
            answer = self._client.post(self._rpc_url, json=body).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            raise OutsideUnknown("rpc_unreachable", f"the chain did not answer {method}") from None
        if "result" not in answer:
            raise OutsideUnknown("rpc_refused", f"the chain refused {method}")
        return str(answer["result"])


def _word(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x")).rjust(32, b"\0")


def checksum_address(address: str) -> str:
    """EIP-55 capitals, as explorers and `cast` show an address."""
    return str(to_checksum_address(address))
