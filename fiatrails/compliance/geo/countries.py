"""Which country an address is in, or why nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from fiatrails.kernel.countries import ALPHA2
from fiatrails.kernel.networks import Address, parse_address

_SIX_TO_FOUR = 0x2002
_TEREDO = 0x2001_0000


class NoCountry(StrEnum):
    """Why there is no country. PRIVATE: no public address (a local network, documentation, multicast). UNMAPPED: a
    public address that the data does not know, or gives no country of its own. INVALID: no address at all."""

    PRIVATE = "private"
    UNMAPPED = "unmapped"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Located:
    """`country` (ISO alpha-2), or `unknown` with `country` empty."""

    country: str = ""
    unknown: NoCountry | None = None


class CountryOf(Protocol):
    """A source of countries."""

    def code_of(self, address: Address) -> str:
        """Return what the data says of the address, alpha-2 in upper case; empty when it says nothing."""


_KNOWN = {code: Located(code) for code in ALPHA2}
_UNKNOWN = {why: Located(unknown=why) for why in NoCountry}


def locate(where: str | Address | None, countries: CountryOf) -> Located:
    """Return the country of an address; never raises for what a client can write."""
    address = parse_address(where) if isinstance(where, str) else where
    if address is None:
        return _UNKNOWN[NoCountry.INVALID]
    # ASIA, EU and the like are no countries.
    known = None if _carries_another(address) else _KNOWN.get(countries.code_of(address))
    if known is not None:
        return known
    return _UNKNOWN[NoCountry.UNMAPPED if address.is_global and not address.is_multicast else NoCountry.PRIVATE]


def _carries_another(address: Address) -> bool:
    """Return whether an IPv6 address has an IPv4 address in it (compatible, 6to4, Teredo). Whoever writes such an
    address chooses which, and databases answer with the country of the one inside."""
    if isinstance(address, IPv4Address):
        return False
    value = int(address)
    return value >> 32 == 0 or value >> 112 == _SIX_TO_FOUR or value >> 96 == _TEREDO


@lru_cache(maxsize=4)
def country_source(database: Path | None) -> CountryOf:
    """Return the source of this process, loaded once: a MaxMind-format file, or the data that ships with geoip2fast.
    Misconfigured when it cannot be read."""
    from fiatrails.compliance.geo.bundled import BundledCountries
    from fiatrails.compliance.geo.maxmind import MaxMindCountries

    return BundledCountries() if database is None else MaxMindCountries(database)
