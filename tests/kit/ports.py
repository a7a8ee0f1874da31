"""Ports nobody else is using."""

import socket


def free_port() -> int:
    """Return a TCP port of this machine that was free a moment ago."""
    with socket.socket() as probe:
        # Without SO_REUSEADDR the kernel would not hand out a port in TIME_WAIT: exactly what is wanted.
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
