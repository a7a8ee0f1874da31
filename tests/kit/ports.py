"""Ports nobody else is using, and nobody else will be given."""

import fcntl
import itertools
import os
import socket
import tempfile
from pathlib import Path

# Below every system's range for outgoing connections (Linux begins at 32768, others at 49152): a port from there may
# be taken by any connection between the moment it was found free and the moment its server binds it.
_RANGE = range(20_000, 30_000)
_next = itertools.count(os.getpid() * 97)
_mine: set[int] = set()


def _open_register() -> int:
    """One byte for each port; the lock of a byte is let go when its process ends, however it ends."""
    path = Path(tempfile.gettempdir()) / f"fiatrails-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


_register = _open_register()


def free_port() -> int:
    """Return a TCP port of this machine that belongs to this process until it ends."""
    for _ in _RANGE:
        port = _RANGE[next(_next) % len(_RANGE)]
        if port not in _mine and _reserve(port) and _can_be_bound(port):
            _mine.add(port)
            return port
    raise RuntimeError(f"no port of {_RANGE} is free")


def _reserve(port: int) -> bool:
    """Whether no other test process has it: the lock tells apart processes, `_mine` the calls within this one."""
    try:
        fcntl.lockf(_register, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        # Without SO_REUSEADDR a port in TIME_WAIT does not count as free: exactly what is wanted.
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
