"""Countries from a MaxMind-format file (GeoLite2, GeoIP2, DB-IP, IPinfo), read anew when it is replaced."""

from __future__ import annotations

import shutil
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import maxminddb
import structlog

from fiatrails.kernel.clock import isoformat
from fiatrails.kernel.errors import Misconfigured
from fiatrails.kernel.networks import Address

log = structlog.get_logger(__name__)
_Version = tuple[int, int, int]
_UNREADABLE = (OSError, ValueError, maxminddb.InvalidDatabaseError)


class MaxMindCountries:
    """One file. While a new one cannot be read (half written, gone), the old one goes on serving, and a log line says
    so once for each version of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._seen: _Version | None = self._version()
            self._reader = _open(path)
        except _UNREADABLE as error:
            raise Misconfigured(
                "geoip_database", f"GEOIP_DATABASE: {path} is no readable MaxMind-format file ({type(error).__name__})"
            ) from None
        self._announce()

    def code_of(self, address: Address) -> str:
        """Return the code as `CountryOf` says. IPv6 in a file of IPv4 networks is an address that the data does not
        know."""
        if self._version_or_none() != self._seen:
            self._reopen()
        try:
            record: Any = self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return ""
        return _code_in(record) if isinstance(record, dict) else ""

    def _version(self) -> _Version:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _version_or_none(self) -> _Version | None:
        try:
            return self._version()
        except OSError:
            return None

    def _reopen(self) -> None:
        """Reopen the file in one thread; the others meanwhile answer from the old one."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            version = self._version_or_none()
            if version == self._seen:
                return
            self._seen = version
            self._reader = _open(self._path)
        except _UNREADABLE as error:
            log.error("geo.database_unreadable", path=str(self._path), error=type(error).__name__, kept=self.built_at)
        else:
            self._announce()
        finally:
            self._lock.release()

    def _announce(self) -> None:
        kind = self._reader.metadata().database_type
        log.info("geo.database_loaded", path=str(self._path), kind=kind, built_at=self.built_at)

    @property
    def built_at(self) -> str:
        """Return when the publisher made the file in use."""
        return isoformat(datetime.fromtimestamp(self._reader.metadata().build_epoch, tz=UTC))


def _open(path: Path) -> maxminddb.Reader:
    """Map a copy that has no name: a file that is overwritten in place under a mapping ends the whole process. The copy
    goes with the reader. Without a directory for it the file is read into memory, and answers more slowly."""
    try:
        with tempfile.NamedTemporaryFile(suffix=".mmdb") as copy, path.open("rb") as file:
            shutil.copyfileobj(file, copy)
            copy.flush()
            return maxminddb.open_database(copy.name, maxminddb.MODE_MMAP_EXT)
    except (OSError, ValueError):
        return maxminddb.open_database(path, maxminddb.MODE_MEMORY)


def _code_in(record: dict[str, Any]) -> str:
    """Return `country.iso_code` of MaxMind and DB-IP, `country` or `country_code` of IPinfo. Not `registered_country`:
    that is where the network's owner is, not its users."""
    country = record.get("country")
    if isinstance(country, dict):
        country = country.get("iso_code")
    code = country if isinstance(country, str) and len(country) == 2 else record.get("country_code")
    return code.upper() if isinstance(code, str) else ""
