"""Countries from the data that ships with geoip2fast, for deployments without a file of their own.

The library itself is not imported: it keeps its tables in module globals (a second file replaces the first), changes
the process's environment, prefers a file of the same name in the working directory, and reads `1.2` and `010.1.1.1` as
addresses. Its IPv6 file holds the IPv4 networks as well, so that one file is enough.
"""

from __future__ import annotations

import gzip
import pickle  # nosec B403 - read by _PlainPickle alone, which calls nothing that the data names
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from ipaddress import IPv4Address
from itertools import chain
from pathlib import Path
from typing import Any

import structlog

from fiatrails.kernel.errors import Misconfigured
from fiatrails.kernel.networks import Address

log = structlog.get_logger(__name__)
FILE_NAME = "geoip2fast-ipv6.dat.gz"
_FORMAT = 120
_IPV4_END = 2**32
_LOW = 2**64 - 1


class _PlainPickle(pickle.Unpickler):
    """Lists, numbers and texts only: a data file has no business with calling anything."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"the data names {module}.{name}")


class BundledCountries:
    """Networks in four sorted arrays: 9 MB instead of the 59 MB of the library's lists."""

    def __init__(self, path: Path | None = None) -> None:
        names, networks, self.origin = _read(path or _bundled_path())
        self._codes = [name.partition(":")[0] for name in names]
        self._four, self._four_code, self._four_bits = array("I"), array("H"), array("B")
        self._high, self._low = array("Q"), array("Q")
        self._six_code, self._six_bits = array("H"), array("B")
        for first, code, bits in networks:
            self._add(first, code, bits)
        log.warning("geo.bundled_data", origin=self.origin, hint="countries change; set GEOIP_DATABASE")

    def _add(self, first: int, code: int, bits: int) -> None:
        if first < _IPV4_END:
            self._four.append(first)
            self._four_code.append(code)
            self._four_bits.append(bits)
        else:
            self._high.append(first >> 64)
            self._low.append(first & _LOW)
            self._six_code.append(code)
            self._six_bits.append(bits)

    def code_of(self, address: Address) -> str:
        """Return the code as `CountryOf` says; special networks have codes of their own in the data (`02`), which are
        no countries."""
        return self._of_four(int(address)) if isinstance(address, IPv4Address) else self._of_six(int(address))

    def _of_four(self, value: int) -> str:
        at = bisect_right(self._four, value) - 1
        if at < 0 or (value ^ self._four[at]) >> (32 - self._four_bits[at]):
            return ""
        return self._codes[self._four_code[at]]

    def _of_six(self, value: int) -> str:
        high, low = value >> 64, value & _LOW
        end = bisect_right(self._high, high)
        start = bisect_left(self._high, high, 0, end)
        # Among networks that share their first 64 bits the rest decides; without one, the last network before them.
        at = bisect_right(self._low, low, start, end) - 1
        if at < 0 or (value ^ (self._high[at] << 64 | self._low[at])) >> (128 - self._six_bits[at]):
            return ""
        return self._codes[self._six_code[at]]


def _bundled_path() -> Path:
    spec = find_spec("geoip2fast")
    if spec is None or not spec.submodule_search_locations:
        raise Misconfigured("geoip_data_missing", "geoip2fast is not installed; install it, or set GEOIP_DATABASE")
    return Path(spec.submodule_search_locations[0]) / FILE_NAME


def _read(path: Path) -> tuple[Sequence[str], Iterator[tuple[int, int, int]], str]:
    """Return names by number, (first address, number, prefix bits) in ascending order, and where the data is from."""
    try:
        with gzip.open(path) as file:
            version, source, _, (_, names, firsts, codes, bits) = _PlainPickle(file).load()
        if version != _FORMAT:
            raise ValueError(f"format {version}")
    except (OSError, EOFError, ValueError, TypeError, pickle.UnpicklingError) as error:
        raise Misconfigured(
            "geoip_data_unreadable", f"{path} is not the data of geoip2fast 1.2 ({error}); set GEOIP_DATABASE"
        ) from None
    flat = zip(*(chain.from_iterable(lists) for lists in (firsts, codes, bits)), strict=True)
    return names, flat, str(source["info"])
