"""A contract at an address: what may be asked of it. The wrappers of our contracts derive from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from eth_utils.crypto import keccak

from fiatrails.chains.core.rpc import Call
from fiatrails.chains.evm.contracts.encoding import Function, load

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Read(Generic[T_co]):
    """A question about a contract; the block it is about is the last parameter. `decode` reads the answer to `call()`;
    ValueError when it is none."""

    method: str
    parameters: tuple[object, ...]
    decode: Callable[[object], T_co]

    def call(self, block: str | Mapping[str, object] = "latest") -> Call:
        """Return the question at a block."""
        return Call(self.method, (*self.parameters, block))


class Contract:
    """A contract at an address (0x and hex)."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"

    def has_code(self) -> Read[bool]:
        """Ask whether any contract stands at the address."""
        return Read("eth_getCode", (self.address,), lambda result: result not in ("0x", ""))

    def _view(self, data: bytes, decode: Callable[[object], T]) -> Read[T]:
        return Read("eth_call", ({"to": self.address, "data": "0x" + data.hex()},), decode)

    def _value(self, function: Function, *arguments: object) -> Read[Any]:
        """A question whose answer is one value, as eth_abi decodes it."""
        return self._view(function.encode(*arguments), lambda result: function.answer(result)[0])


class AccessControlled(Contract):
    """A contract whose functions are for holders of roles (OpenZeppelin AccessControl)."""

    _HAS_ROLE = load("UserRegistry").function("hasRole")

    def has_role(self, role: str, account: str) -> Read[bool]:
        """Ask whether the account holds the role, named as in the contract's source."""
        return self._value(self._HAS_ROLE, keccak(text=role), account)


class Pausable(AccessControlled):
    """A contract that a guardian can stop."""

    _PAUSED = load("MintEscrow").function("paused")

    def paused(self) -> Read[bool]:
        """Ask whether it is stopped."""
        return self._value(self._PAUSED)
