"""Clients that send nothing more, or take nothing, beside payments."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.functional.api.live import GATEWAY_SECRET, Live, callback_body, hex_hmac, new_intent, serve
from tests.kit.databases import migrated_copy

TIMEOUT_S = 4
HEAD = b"POST /api/v1/callbacks/mpesa HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n"
# What each of them sends before it falls silent.
UNFINISHED = {
    "nothing": b"",
    "half a head": HEAD,
    "half a body": HEAD + b'\r\n{"txRef":',
    "half a chunk": b"POST /api/v1/mint-intents HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{",
    "a body that is too large": b"POST /api/v1/mint-intents HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n{",
}


@pytest.fixture(scope="module")
def live(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with few threads and short deadlines."""
    database_url = migrated_copy(postgres, "api_slow_clients")
    settings = {"GUNICORN_THREADS": "4", "GUNICORN_REQUEST_TIMEOUT": str(TIMEOUT_S)}
    with serve(database_url, tmp_path_factory.mktemp("api"), **settings) as server:
        yield server


def _connect(live: Live, message: bytes = b"") -> socket.socket:
    parts = urlsplit(live.url)
    sock = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)
    sock.sendall(message)
    return sock


def _pay(live: Live, number: int) -> list[int]:
    """Make this many payments over connections of their own; return the statuses."""

    def pay(_: int) -> int:
        with live.client() as mine:
            return live.confirm(mine, callback_body()).status_code

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(pay, range(number)))


def test_payments_succeed_beside_five_hundred_slow_clients_who_are_closed_in_time(live: Live) -> None:
    with ExitStack() as clients:
        messages = list(UNFINISHED.values())[:4]
        slow = [clients.enter_context(_connect(live, messages[n % 4])) for n in range(500)]
        began = time.monotonic()
        assert _pay(live, 40) == [200] * 40
        assert time.monotonic() - began < TIMEOUT_S
        answers = {sock.recv(64)[:12] for sock in slow}
        assert time.monotonic() - began < 3 * TIMEOUT_S
    assert answers == {b"HTTP/1.1 408"}
    with live.client() as http:
        assert "fiatrails_unfinished_requests_total 500.0" in http.get("/metrics").text


def _drip(sock: socket.socket, *, until: float) -> None:
    """Header after header, each in time, and never the last."""
    while time.monotonic() < until:
        sock.sendall(b"X: y\r\n")
        time.sleep(0.2)


def test_a_client_that_drips_gets_no_more_time(live: Live) -> None:
    with _connect(live, HEAD) as sock:
        began = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            _drip(sock, until=began + 3 * TIMEOUT_S)
        assert time.monotonic() - began < 2 * TIMEOUT_S


def test_a_body_that_is_too_large_is_refused_before_it_came_and_holds_no_thread(live: Live) -> None:
    with ExitStack() as clients:
        slow = [clients.enter_context(_connect(live, UNFINISHED["a body that is too large"])) for _ in range(20)]
        began = time.monotonic()
        assert [sock.recv(64)[:12] for sock in slow] == [b"HTTP/1.1 413"] * 20
        assert _pay(live, 4) == [200] * 4
        assert time.monotonic() - began < TIMEOUT_S


def test_clients_that_take_no_answer_hold_no_thread_for_longer(live: Live) -> None:
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    with ExitStack() as clients:
        for _ in range(8):
            sock = clients.enter_context(_connect(live))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(request * 400)
        began = time.monotonic()
        assert _pay(live, 4) == [200] * 4
        assert time.monotonic() - began < 6 * TIMEOUT_S


def test_requests_are_served_in_pieces_one_behind_the_other_and_after_an_invitation(live: Live) -> None:
    raw = json.dumps(callback_body()).encode()
    lines = [
        b"POST /api/v1/callbacks/mpesa HTTP/1.1",
        b"Host: x",
        b"Expect: 100-continue",
        b"X-Mpesa-Signature: " + hex_hmac(GATEWAY_SECRET, raw).encode(),
        b"Content-Length: %d" % len(raw),
    ]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    with _connect(live, head[:30]) as sock:
        time.sleep(0.1)
        sock.sendall(head[30:])
        assert sock.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(raw[:10])
        time.sleep(0.1)
        sock.sendall(raw[10:] + head + raw + b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while more := sock.recv(65536):
            received += more
    assert received.count(b"HTTP/1.1 200") == 2
    assert received.count(b"already_processed") == 1
    assert received.count(b"HTTP/1.1 404") == 1


def test_closed_connections_whose_clients_stay_do_not_stop_the_others(live: Live, http: httpx.Client) -> None:
    assert live.make(http, new_intent()).status_code == 201
    with ExitStack() as clients:
        began = time.monotonic()
        for _ in range(20):
            clients.enter_context(_connect(live, b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        assert _pay(live, 4) == [200] * 4
        assert time.monotonic() - began < 2


def test_a_server_that_is_to_speak_tls_itself_says_where_tls_ends() -> None:
    from gunicorn.config import Config

    from fiatrails.config.gunicorn_worker import StickyThreadWorker

    config = Config()
    config.set("certfile", "certificate.pem")
    with pytest.raises(RuntimeError, match="proxy"):
        StickyThreadWorker.check_config(config, None)
