"""Describe HTTP requests and replies as handlers see them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One HTTP request, read in full. `headers` are in lower case; `params` are the named parts of its path."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """One HTTP reply; a payload of None is an empty body."""

    status: int
    payload: Any = None

    def encoded(self) -> bytes:
        """Return the bytes of the body."""
        return b"" if self.payload is None else json.dumps(self.payload).encode()


class Refusal(Exception):
    """Raised by a handler to reply with something other than success."""

    def __init__(self, status: int, payload: Any) -> None:
        super().__init__(f"HTTP {status}: {payload}")
        self.reply = Reply(status, payload)


def control_refusal(message: str, status: int = 400) -> Refusal:
    """Return an error of the control endpoints; `message` says what was wrong."""
    return Refusal(status, {"error": message})
