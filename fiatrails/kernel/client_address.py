"""Whose address a request comes from."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.conf import settings
from django.http import HttpRequest

from fiatrails.kernel.networks import Address, parse_address

UNREADABLE = "unreadable"
# No honest chain of proxies is longer; what lies further left is not looked at.
_MAX_HOPS = 16
_MAX_CHARS = 8192
_Networks = tuple[IPv4Network | IPv6Network, ...]


def client_address(request: HttpRequest) -> str:
    """`client_ip` as text, in one form for every address; `unreadable` when there is none, which no list of addresses
    contains and all such callers share."""
    found = client_ip(request)
    return UNREADABLE if found is None else str(found)


def client_ip(request: HttpRequest) -> Address | None:
    """Return the nearest address that is not one of our own proxies (`settings.TRUSTED_PROXIES`, networks).

    X-Forwarded-For is read from its end: every proxy appends, so only what our own proxies appended is true, and what
    a client wrote at the front is never reached. None when an address on that way cannot be read, or when the way is
    longer than any chain of proxies: passing over it would believe what the client wrote.
    """
    trusted = _networks(tuple(getattr(settings, "TRUSTED_PROXIES", ())))
    nearest = parse_address(str(request.META.get("REMOTE_ADDR", "")))
    if nearest is None or not _is_ours(nearest, trusted):
        return nearest
    forwarded = str(request.META.get("HTTP_X_FORWARDED_FOR", ""))
    return _walk(nearest, forwarded, trusted) if forwarded.strip() else nearest


def network_of(address: Address | None) -> str:
    """Return what a log may say of an address: its network, which tells where from and not who."""
    if address is None:
        return UNREADABLE
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _walk(nearest: Address, forwarded: str, trusted: _Networks) -> Address | None:
    # Of a header that is too long the end is enough: it is the part that our proxies wrote.
    hops = forwarded[-_MAX_CHARS:].rsplit(",", _MAX_HOPS)[-_MAX_HOPS:]
    for hop in reversed(hops):
        found = parse_address(hop)
        if found is None or not _is_ours(found, trusted):
            return found
        nearest = found
    return nearest if len(hops) < _MAX_HOPS else None


def _is_ours(address: Address, trusted: _Networks) -> bool:
    return any(address in network for network in trusted)


@lru_cache(maxsize=8)
def _networks(proxies: tuple[str, ...]) -> _Networks:
    return tuple(ip_network(proxy) for proxy in proxies)
