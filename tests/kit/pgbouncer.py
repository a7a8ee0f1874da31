"""PgBouncer in transaction mode before a database, from Debian's package: as a deployment would run it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg

from fiatrails.local.process import ManagedProcess
from tests.kit.debian import library_path, program
from tests.kit.ports import free_port

_CONFIG = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 200
server_login_retry = 1
query_wait_timeout = 5
{more}
"""


class PgBouncer:
    """A pooler for every database of one server; `pool_size` sessions each, shared by all clients."""

    def __init__(self, directory: Path, database_url: str, *, pool_size: int = 4, more: str = "") -> None:
        self._url = urlsplit(database_url)
        self.port = free_port()
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "pgbouncer.ini"
        upstream = {"host": self._url.hostname, "port": self._url.port}
        config.write_text(
            _CONFIG.format(**upstream, listen=self.port, directory=directory, pool_size=pool_size, more=more)
        )
        (directory / "users").write_text(f'"{self._url.username}" "{self._url.password}"\n')
        command = [str(program("pgbouncer", package="pgbouncer")), str(config)]
        if os.geteuid() == 0:
            # PgBouncer refuses to run as root.
            command[1:1] = ["--user", "nobody"]
            nobody = pwd.getpwnam("nobody")
            for path in (directory, config, directory / "users"):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        environment = {**os.environ, "LD_LIBRARY_PATH": library_path("pgbouncer")}
        self._process = ManagedProcess(
            "pgbouncer", command, log_path=directory.parent / "pgbouncer.log", env=environment
        )

    def __enter__(self) -> Self:
        self._process.start()
        self._process.wait_ready(self._answers, timeout_seconds=10)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def url(self, database_url: str) -> str:
        """The address of that database by way of the pooler."""
        parts = urlsplit(database_url)
        return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self.port}").geturl()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(self._url.geturl()), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
