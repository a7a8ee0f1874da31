"""What a node or provider answers is outside input: bounded in time, size, depth and shape, on real sockets."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from fiatrails.chains.core import rpc
from fiatrails.chains.core.rpc import Call, Endpoint, NoAnswer
from fiatrails.kernel import exchange

Speak = Callable[[socket.socket], None]
DEADLINE_S = 0.6


@contextmanager
def server(speak: Speak) -> Iterator[str]:
    """A server that reads what comes and lets `speak` answer each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                if not ended.is_set() and read_request(connection):
                    with contextlib.suppress(OSError):
                        speak(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        # A blocked accept wakes when somebody connects.
        socket.create_connection(listener.getsockname()).close()
        thread.join(timeout=5)
        listener.close()


def read_request(connection: socket.socket) -> bool:
    """Reads a whole request: what is left unread when a connection is closed resets it."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += (more := connection.recv(65_536))
        if not more:
            return False
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while length is not None and len(body) < int(length[1]):
        body += connection.recv(65_536)
    return True


def whole(body: bytes, *headers: str) -> Speak:
    """Answers 200 with the body at once."""
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""])
    return lambda connection: connection.sendall(head.encode() + body)


def dripping(start: bytes) -> Speak:
    """Sends the start at once, and then for six seconds a byte every tenth: each read succeeds."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(60):
            connection.sendall(b"x")
            time.sleep(0.1)

    return speak


def ask(speak: Speak, *, timeout_s: float = 20) -> NoAnswer:
    """What the endpoint makes of such a server."""
    with server(speak) as url, Endpoint(url, index=0, timeout_s=timeout_s) as endpoint, pytest.raises(NoAnswer) as why:
        endpoint.exchange([Call("eth_blockNumber")])
    return why.value


@pytest.mark.parametrize(
    "text",
    [b"HTTP/1.1 200 OK\r\nX-Header: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"],
    ids=["headers", "body"],
)
def test_a_reply_that_drips_ends_at_the_deadline(text: bytes) -> None:
    started = time.monotonic()
    assert ask(dripping(text), timeout_s=DEADLINE_S).error_type == "timeout"
    # One deadline for the exchange; each read alone would have been in time for ever.
    assert time.monotonic() - started < 5


def test_a_reply_larger_than_agreed_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "MAX_REPLY_BYTES", 1_000)
    assert ask(whole(json.dumps({"id": 0, "result": "0x" + "0" * 1_000}).encode())).error_type == "unreadable"


def test_a_compressed_reply_that_nobody_asked_for_is_not_unpacked() -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    assert ask(whole(bomb, "Content-Encoding: gzip")).error_type == "unreadable"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"id":0,"result":' + b"[" * 300_000 + b"]" * 300_000 + b"}",
        b'{"id":[],"result":"0x1"}',
        b'{"id":{},"result":"0x1"}',
        b'"0x1"',
        b"\xff\xfe",
    ],
    ids=["unclosed", "nested", "list-as-id", "object-as-id", "no-object", "no-text"],
)
def test_a_reply_of_another_form_is_no_answer(body: bytes) -> None:
    assert ask(whole(body)).error_type == "malformed"


def test_a_provider_that_drips_ends_at_the_deadline_too() -> None:
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
    with (
        server(dripping(text)) as url,
        exchange.client(timeout_s=DEADLINE_S) as http,
        pytest.raises(httpx.TimeoutException),
    ):
        exchange.exchange(http, "GET", url, seconds=DEADLINE_S, max_bytes=100_000)
