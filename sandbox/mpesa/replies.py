"""What a handler gives back, and the two ways of refusing."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Request:
    """One HTTP request, already read from the wire."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; a payload of None is an empty body."""

    status: int
    payload: Any = None

    def encoded(self) -> bytes:
        """Return the bytes of the body."""
        return b"" if self.payload is None else json.dumps(self.payload).encode()


class Refusal(Exception):
    """Raised by a handler to answer with something other than success."""

    def __init__(self, status: int, payload: dict[str, Any] | None) -> None:
        super().__init__(f"HTTP {status}: {payload}")
        self.reply = Reply(status, payload)


def daraja_refusal(status: int, code: str, message: str) -> Refusal:
    """Return an error in Daraja's own shape."""
    request_id = f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(4)}"
    return Refusal(status, {"requestId": request_id, "errorCode": code, "errorMessage": message})


def control_refusal(message: str, status: int = 400) -> Refusal:
    """Return an error of the control endpoints, which speak plainly."""
    return Refusal(status, {"error": message})


def shillings(cents: int) -> str:
    """Write an amount the way M-PESA does: "5.00"."""
    return f"{cents // 100}.{cents % 100:02d}"


def cents_of(amount: Any) -> int | None:
    """Read an amount in shillings, or return None when it is not a payable one."""
    if isinstance(amount, bool) or not isinstance(amount, str | int | float):
        return None
    try:
        cents = Decimal(str(amount)) * 100
    except ArithmeticError:
        return None
    payable = cents.is_finite() and cents > 0 and cents == int(cents)
    return int(cents) if payable else None
