"""HTTP exchanges with the outside, bounded in time and size whatever the other side does.

httpx bounds each read, not the exchange: a peer that sends a byte every two seconds holds its caller for ever. Here
every read and write gets what is left until the deadline. Replies are taken uncompressed: a megabyte of gzip may hold
a gigabyte, and it would be in memory before anybody could count it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

import httpcore
import httpx

_UNLIMITED = float("inf")
_deadline: ContextVar[float] = ContextVar("deadline", default=_UNLIMITED)


class UnreadableReply(httpx.TransportError):
    """The reply is larger than agreed, or compressed although nobody asked for it. It was not read to its end."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply."""

    status: int
    headers: httpx.Headers
    content: bytes


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends at the deadline of the exchange that it serves."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options))


class _Transport(httpx.HTTPTransport):
    def __init__(self, limits: httpx.Limits) -> None:
        super().__init__(trust_env=False, limits=limits)
        # httpx has no public way to choose the backend of the pool that it makes.
        self._pool._network_backend = _Backend()


def client(
    *,
    timeout_s: float,
    transport: httpx.BaseTransport | None = None,
    limits: httpx.Limits | None = None,
    **options: Any,
) -> httpx.Client:
    """Return a client for `exchange`: no proxy from the environment, no redirects, no compression."""
    found = httpx.Client(
        timeout=timeout_s,
        trust_env=False,
        follow_redirects=False,
        transport=transport or _Transport(limits or httpx.Limits(max_connections=100, max_keepalive_connections=20)),
        **options,
    )
    found.headers["Accept-Encoding"] = "identity"
    return found


def exchange(http: httpx.Client, method: str, url: str, *, seconds: float, max_bytes: int, **options: Any) -> Reply:
    """Send one request and return the whole reply; `seconds` for everything from connecting to the last byte.

    Raises httpx.HTTPError: TimeoutException at the deadline, UnreadableReply for one that is not read to its end.
    """
    with _until(time.monotonic() + seconds), http.stream(method, url, **options) as response:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnreadableReply("the reply is compressed")
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > max_bytes:
                raise UnreadableReply(f"the reply is larger than {max_bytes} bytes")
        return Reply(response.status_code, response.headers, bytes(content))


@contextmanager
def _until(deadline: float) -> Iterator[None]:
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    """Return the shorter of the step's own timeout and what is left; raise when nothing is left."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise late("the exchange took too long")
    return timeout if left == _UNLIMITED else min(left, timeout if timeout is not None else left)
