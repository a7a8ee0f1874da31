"""HMAC-SHA256 over raw bytes, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import TypeVar

from fiatrails.kernel.errors import Unauthorized

Key = TypeVar("Key")


def sign(secret: bytes, message: bytes) -> str:
    """Return the lower-case hex HMAC-SHA256."""
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def matching_key(candidates: Iterable[tuple[Key, bytes]], message: bytes, signature: str) -> Key | None:
    """Return the first candidate whose secret made `signature` (hex, any case) over `message`; None when none did.

    Every candidate is tried, so the time does not tell which of them matched.
    """
    given = signature.strip().lower().encode("ascii", "replace")
    found: Key | None = None
    for key, secret in candidates:
        if hmac.compare_digest(sign(secret, message).encode("ascii"), given) and found is None:
            found = key
    return found


def require_fresh(claimed: int, now: int, tolerance: int) -> None:
    """Refuse a Unix time further than `tolerance` seconds from `now`, past or future."""
    if abs(now - claimed) > tolerance:
        raise Unauthorized(
            "stale_timestamp",
            f"timestamp is more than {tolerance} s away from the server's clock; sign again",
        )
