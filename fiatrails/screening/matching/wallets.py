"""Digital currency addresses: one spelling for each, so that comparing is looking up."""

from __future__ import annotations

import re

_EVM = re.compile(r"0x[0-9a-fA-F]{40}")
# Bech32 is written in one case, either one; base58 means each letter in its case.
_BECH32 = re.compile(r"(?:bc1|ltc1|tb1|dgb1|vtc1)[02-9ac-hj-np-z]{8,90}", re.IGNORECASE)
_UNUSABLE = re.compile(r"[\s\x00-\x1f]")
MAX_CHARACTERS = 200


def canonical(address: str) -> str:
    """Return the spelling under which an address is compared; empty for what can be no address.

    The ticker plays no part: one 0x address is an account on every EVM chain, and lists give it under any of them.
    """
    address = address.strip()
    if not address or len(address) > MAX_CHARACTERS or _UNUSABLE.search(address):
        return ""
    if _EVM.fullmatch(address) or _BECH32.fullmatch(address):
        return address.lower()
    return address
