"""The TCP proxy, between a client and a small server of the test's own."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.tcp_proxy import BadFault, TcpProxy


class Ledger(socketserver.ThreadingTCPServer):
    """Keeps every line it is sent and answers each with "ok"."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Teller)
        self.lines: list[bytes] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Teller(socketserver.StreamRequestHandler):
    server: Ledger

    def handle(self) -> None:
        try:
            for line in self.rfile:
                self.server.lines.append(line.strip())
                self.wfile.write(b"ok\n")
        except ConnectionError:
            return


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger() as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(ledger: Ledger) -> Iterator[TcpProxy]:
    with TcpProxy(ledger.address) as proxy:
        yield proxy


@contextmanager
def connected(port: int, timeout_s: float = 5) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as client:
        yield client


def ask(client: socket.socket, line: bytes) -> bytes:
    client.sendall(line + b"\n")
    return hear(client)


def hear(client: socket.socket) -> bytes:
    """Return what comes; the end of the stream is as good as a reset."""
    if reply := client.recv(1024):
        return reply
    raise ConnectionResetError("the stream ended")


def test_a_healthy_proxy_carries_both_ways(proxy: TcpProxy, ledger: Ledger) -> None:
    with connected(proxy.port) as client:
        assert ask(client, b"hello") == b"ok\n"
    assert ledger.lines == [b"hello"]


def test_latency_is_paid_on_both_ways(proxy: TcpProxy) -> None:
    proxy.set(latency_ms=100)
    with connected(proxy.port) as client:
        begun = time.monotonic()
        assert ask(client, b"hello") == b"ok\n"
        assert time.monotonic() - begun >= 0.2


def test_bandwidth_slows_large_messages(proxy: TcpProxy, ledger: Ledger) -> None:
    proxy.set(bandwidth_bytes_s=100_000)
    with connected(proxy.port) as client:
        begun = time.monotonic()
        assert ask(client, b"x" * 30_000) == b"ok\n"
        assert time.monotonic() - begun >= 0.3


def test_a_cut_reply_leaves_the_commit_done(proxy: TcpProxy, ledger: Ledger) -> None:
    proxy.set(cut_reply_to="COMMIT", cut_count=1)
    with connected(proxy.port) as client:
        assert ask(client, b"INSERT") == b"ok\n"
        with pytest.raises(ConnectionResetError):
            ask(client, b"COMMIT")
    assert ledger.lines == [b"INSERT", b"COMMIT"]
    with connected(proxy.port) as client:
        assert ask(client, b"COMMIT") == b"ok\n"
    assert proxy.counts["cut_replies"] == 1


def test_a_commit_split_over_two_packets_is_still_recognised(proxy: TcpProxy) -> None:
    proxy.set(cut_reply_to="COMMIT")
    with connected(proxy.port) as client:
        client.sendall(b"COM")
        time.sleep(0.1)
        with pytest.raises(ConnectionResetError):
            ask(client, b"MIT")


def test_a_blackhole_swallows_without_a_word(proxy: TcpProxy, ledger: Ledger) -> None:
    with connected(proxy.port, timeout_s=0.3) as client:
        assert ask(client, b"before") == b"ok\n"
        proxy.set(blackhole=True)
        with pytest.raises(TimeoutError):
            ask(client, b"into the void")
    proxy.heal()
    with connected(proxy.port) as client:
        assert ask(client, b"after") == b"ok\n"
    assert ledger.lines == [b"before", b"after"]


def test_open_connections_can_be_reset(proxy: TcpProxy) -> None:
    with connected(proxy.port) as client:
        ask(client, b"hello")
        assert proxy.reset_all() == 1
        with pytest.raises(ConnectionResetError):
            hear(client)


def test_new_connections_can_be_refused(proxy: TcpProxy) -> None:
    proxy.set(refuse=True)
    with pytest.raises(ConnectionError), connected(proxy.port) as client:
        ask(client, b"hello")


def test_an_unreachable_upstream_resets_the_client() -> None:
    with (
        TcpProxy(f"127.0.0.1:{free_port()}") as proxy,
        pytest.raises(ConnectionError),
        connected(proxy.port) as client,
    ):
        ask(client, b"hello")


def test_an_unknown_fault_is_refused(proxy: TcpProxy) -> None:
    with pytest.raises(BadFault, match="unknown fault 'latency'"):
        proxy.set(latency=3)


def test_the_process_is_driven_over_its_control_port(ledger: Ledger) -> None:
    port, control_port = free_port(), free_port()
    control = f"http://127.0.0.1:{control_port}"
    arguments = ["--upstream", ledger.address, "--port", str(port), "--control-port", str(control_port)]
    with python_module("tests.kit.tcp_proxy", arguments, ready_url=f"{control}/_stats") as process:
        assert httpx.post(f"{control}/_faults", json={"latency_ms": -1}).status_code == 400
        assert httpx.post(f"{control}/_faults", json={"cut_reply_to": "COMMIT"}).json()["cut_count"] is None
        with connected(port) as client, pytest.raises(ConnectionResetError):
            ask(client, b"COMMIT")
        assert httpx.get(f"{control}/_stats").json() == {"connections": 1, "cut_replies": 1}
        assert httpx.post(f"{control}/_reset").json() == {"reset": 0}
    assert process.returncode == 0
