"""IP addresses as others write them: with ports, brackets, scopes, IPv4 inside IPv6. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address
# "[", 45 characters of address, "%" and a scope, "]:" and a port.
_MAX_CHARS = 96
_WITH_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<four>[0-9.]+))(?::[0-9]{1,5})?", re.ASCII)


def parse_address(text: str) -> Address | None:
    """Return the address in any form that clients and proxies write: `203.0.113.9`, `203.0.113.9:4711`, `2001:db8::1`,
    `[2001:db8::1]:443`, `fe80::1%eth0`, `::ffff:203.0.113.9`.

    Blanks around it, a port and a scope are dropped; IPv4 inside IPv6 is IPv4. None for everything else: names, octal
    and shortened forms (`010.1.1.1`, `1.2`), two addresses in one. Some readers take those for one address and some
    for another, and a rule that depends on the reader is no rule.
    """
    if len(text) > _MAX_CHARS:
        return None
    bare = text.strip(" \t")
    try:
        return _plain(bare)
    except ValueError:
        return _without_port(bare)


def _without_port(bare: str) -> Address | None:
    match = _WITH_PORT.fullmatch(bare)
    if match is None or (match["six"] and ":" not in match["six"]):
        return None
    try:
        return _plain(match["six"] or match["four"])
    except ValueError:
        return None


def _plain(text: str) -> Address:
    if ":" not in text:
        return IPv4Address(text)
    address = IPv6Address(text)
    return address.ipv4_mapped or (IPv6Address(int(address)) if address.scope_id else address)
