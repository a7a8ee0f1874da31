"""Download the files of a list over HTTP: whole or not at all, from the given place, and only when they changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import httpx

from fiatrails.kernel.errors import Misconfigured

Progress = Callable[[str, int, int | None], None]
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_USER_AGENT = "fiatrails-lists"


class DownloadFailed(Exception):
    """A file was not had whole; `str` says which, from which host and why, without credentials or query."""


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """Seconds without a byte, seconds for one file, and bytes of one file after decompression."""

    timeout_s: float = 30.0
    deadline_s: float = 600.0
    max_bytes: int = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Validators:
    """The HTTP validators of a file that we still have; "" where it said nothing."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file. `data` None: it is what is known already. `validators` are to be sent with the next request."""

    url: str
    data: bytes | None
    validators: Validators

    @property
    def day(self) -> date | None:
        """Return the day that the server says the file is of."""
        try:
            return (
                parsedate_to_datetime(self.validators.last_modified).date() if self.validators.last_modified else None
            )
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What one file may take. `deadline` is of the monotonic clock."""

    limits: DownloadLimits
    deadline: float
    progress: Progress | None

    def require(self, url: str, size: int) -> None:
        """Raise DownloadFailed when it takes too much: a server that drips, or one that never ends."""
        if size > self.limits.max_bytes:
            raise DownloadFailed(f"{shown(url)}: {size} bytes, and {self.limits.max_bytes} are allowed")
        if time.monotonic() > self.deadline:
            raise DownloadFailed(f"{shown(url)}: not done after {self.limits.deadline_s:g} s")


def client(limits: DownloadLimits, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Return a client for one refresh. Redirects are followed by `fetch`, which checks each; proxies of the environment
    are not."""
    return httpx.Client(
        timeout=limits.timeout_s,
        trust_env=False,
        follow_redirects=False,
        transport=transport,
        headers={"user-agent": _USER_AGENT},
    )


def fetch(
    http: httpx.Client, url: str, *, known: Validators, limits: DownloadLimits, progress: Progress | None = None
) -> Fetched:
    """Download one file. Misconfigured when the URL is not https (loopback may be http); DownloadFailed when it was not
    had whole. Nothing is returned of a file that broke off."""
    require_safe(url)
    bounds = _Bounds(limits, time.monotonic() + limits.deadline_s, progress)
    at = url
    try:
        for _ in range(_MAX_REDIRECTS + 1):
            with http.stream("GET", at, headers=_conditions(known)) as response:
                if response.status_code not in _REDIRECTS:
                    return _answered(url, response, known, bounds)
                at = _next(at, response)
        raise DownloadFailed(f"{shown(url)}: more than {_MAX_REDIRECTS} redirects")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DownloadFailed(f"{shown(at)}: {type(error).__name__}") from None


def require_safe(url: str) -> None:
    """Raise Misconfigured unless the URL is https, or http to this machine: whoever can change a list on its way
    decides who is not screened."""
    parts = urlsplit(url)
    if not (parts.scheme == "https" and parts.hostname) and not (parts.scheme == "http" and _is_loopback(url)):
        raise Misconfigured("list_url", f"{shown(url)} is not https; lists are fetched over https only")


def shown(url: str) -> str:
    """Return the URL without user, query and fragment, where credentials are."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK


def _conditions(known: Validators) -> Mapping[str, str]:
    said = {"if-none-match": known.etag, "if-modified-since": known.last_modified}
    return {name: value for name, value in said.items() if value}


def _next(at: str, response: httpx.Response) -> str:
    """Return where a redirect leads; never to plain http, and never from outside to this machine."""
    url = urljoin(at, str(response.headers.get("location", "")))
    if urlsplit(url).scheme != "https" and not _is_loopback(at):
        raise DownloadFailed(f"{shown(at)}: redirected to {shown(url)}, which is not https")
    if _is_loopback(url) and not _is_loopback(at):
        raise DownloadFailed(f"{shown(at)}: redirected to this machine")
    return url


def _answered(url: str, response: httpx.Response, known: Validators, bounds: _Bounds) -> Fetched:
    headers = response.headers
    if response.status_code == httpx.codes.NOT_MODIFIED and _conditions(known):
        said = Validators(headers.get("etag", known.etag), headers.get("last-modified", known.last_modified))
        return Fetched(url, None, said)
    if response.status_code != httpx.codes.OK:
        raise DownloadFailed(f"{shown(url)}: answered {response.status_code}")
    data = _body(url, response, bounds)
    return Fetched(url, data, Validators(headers.get("etag", ""), headers.get("last-modified", "")))


def _body(url: str, response: httpx.Response, bounds: _Bounds) -> bytes:
    """Return the whole body. A body shorter than its stated length is httpx's error; one without a stated length ends
    where the connection does, so it must end as OFAC's files end."""
    data = bytearray()
    total = _stated_length(response)
    bounds.require(url, total or 0)
    for chunk in response.iter_bytes():
        data += chunk
        bounds.require(url, len(data))
        if bounds.progress is not None:
            bounds.progress(
                url.rsplit("/", 1)[-1], len(data), None if "content-encoding" in response.headers else total
            )
    if total is None and "chunked" not in response.headers.get("transfer-encoding", "") and not _ends_well(data):
        raise DownloadFailed(f"{shown(url)}: no length was stated, and it does not end as such a file does")
    return bytes(data)


def _stated_length(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _ends_well(data: bytearray) -> bool:
    end = bytes(data[-64:]).rstrip()
    return end.endswith((b"\x1a", b"sdnList>"))
