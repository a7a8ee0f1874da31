"""Whose address a request comes from."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The nearest address that is not one of our own proxies (`settings.TRUSTED_PROXIES`, networks).

    X-Forwarded-For is read from its end: every proxy appends, so only what our own proxies appended is true, and
    what a client wrote at the front is never reached.
    """
    proxies: Sequence[str] = getattr(settings, "TRUSTED_PROXIES", ())
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if proxies else ""
    nearest = str(request.META.get("REMOTE_ADDR", ""))
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and _is_ours(nearest, proxies):
        nearest = hops.pop()
    return nearest


def _is_ours(address: str, proxies: Sequence[str]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(network) for network in proxies)
