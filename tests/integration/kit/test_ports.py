"""Free ports."""

import socket

from tests.kit.ports import free_port


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert server.getsockname()[1] > 0


def test_ports_differ_from_call_to_call() -> None:
    assert len({free_port() for _ in range(5)}) > 1
