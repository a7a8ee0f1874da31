"""EVM addresses and 32-byte words as text: `0x` and lower- or mixed-case hex."""

from __future__ import annotations

import re

from fiatrails.kernel.errors import BadInput

ZERO_ADDRESS = "0x" + "0" * 40
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_WORD = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)


def parse_address(text: object, *, field: str = "user") -> str:
    """Return the canonical lower-case address; BadInput when malformed or zero. Mixed case is not checked against
    EIP-55 here because third-party clients send either."""
    if not isinstance(text, str) or not ADDRESS.fullmatch(text):
        raise BadInput("malformed_address", f"{field} must be an address: 0x and 40 hex digits")
    if text.lower() == ZERO_ADDRESS:
        raise BadInput("zero_address", f"{field} must not be the zero address")
    return text.lower()


def parse_word(text: object, *, field: str) -> str:
    """Return the canonical lower-case 32-byte hex word; BadInput otherwise."""
    if not isinstance(text, str) or not _WORD.fullmatch(text):
        raise BadInput("malformed_id", f"{field} must be 0x and 64 hex digits")
    return text.lower()
