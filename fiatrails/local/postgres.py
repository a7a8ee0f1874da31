"""A PostgreSQL server of our own, from the binaries in a wheel: durable and private."""

import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

import psutil
import psycopg
from psycopg import sql

from fiatrails.local.ports import LOOPBACK, free_port, is_free
from fiatrails.local.postgres_account import (
    PostgresFailedError,
    ServerAccount,
    allow_reading,
    allow_traversal,
    unprivileged_account,
)
from fiatrails.local.process import adopt, is_running
from fiatrails.local.toolchain import postgres_bin_dir

StopMode = Literal["fast", "immediate"]

SUPERUSER = "postgres"
_STOP_SIGNALS: dict[StopMode, signal.Signals] = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_PID_FILE = "postmaster.pid"
_PASSWORD_FILE = "fiatrails.password"  # noqa: S105 - a file name
_PORT_FILE = "fiatrails.port"
_LOG_FILE = "server.log"
_START_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.01
# Backends of a killed postmaster hold its shared memory until they notice that it has gone.
_ORPHAN_EXIT_SECONDS = 5.0
_TRIES = 3
_MAX_SOCKET_PATH = 100  # the kernel allows 107 bytes

# Durability stays at PostgreSQL's defaults: fsync, synchronous_commit, full_page_writes on; commit_delay 0.
_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One database cluster in `data_dir`, reachable on loopback with a password of its own.

    The server runs detached: it survives this process, and a later `start()` on the same directory adopts it.
    """

    def __init__(self, data_dir: Path, *, port: int | None = None, fsync: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self.bin_dir = postgres_bin_dir()
        self._wanted_port = port
        self._fsync = fsync
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The TCP port, kept over restarts while nobody else takes it."""
        return int((self.data_dir / _PORT_FILE).read_text())

    @property
    def dsn(self) -> str:
        """The connection URL of the `postgres` database. It holds the password: never log it."""
        return self.dsn_for("postgres")

    def dsn_for(self, database: str) -> str:
        """Return the connection URL of one database."""
        password = (self.data_dir / _PASSWORD_FILE).read_text().strip()
        return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{self.port}/{database}"

    @property
    def socket_dir(self) -> Path:
        """Where the unix socket is; inside the data directory unless that path is too long for a socket."""
        if len(str(self.data_dir)) < _MAX_SOCKET_PATH - len("/.s.PGSQL.65535.lock"):
            return self.data_dir
        digest = sha256(str(self.data_dir).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"fiatrails-pg-{digest}"

    @property
    def pgbench(self) -> Path:
        """The path of PostgreSQL's own benchmark tool."""
        return self.bin_dir / "pgbench"

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self.data_dir / _LOG_FILE

    @property
    def pid(self) -> int | None:
        """The process id of the running postmaster."""
        process = self._postmaster()
        return process.pid if process else None

    def is_running(self) -> bool:
        """Return whether the server runs and accepts connections."""
        return self._postmaster() is not None and self._is_ready()

    def start(self) -> None:
        """Set the cluster up on first use and start it; a server that already runs is kept."""
        with self._locked():
            account = self._account()
            self._grant_paths(account)
            if not (self.data_dir / "PG_VERSION").exists():
                self._initialise(account)
            for _ in range(_TRIES):
                if self._postmaster() is None:
                    self._launch(account)
                if self._becomes_ready():
                    return
            raise PostgresFailedError(f"PostgreSQL is not ready. Its log ends with:\n{self._log_tail()}")

    def stop(self, mode: StopMode = "fast", *, timeout_seconds: float = 30.0) -> None:
        """Stop the server: fast ends sessions and checkpoints, immediate leaves recovery to the next. One that does not
        stop in time, such as with a frozen session, is stopped at once, and killed in the end."""
        process = self._postmaster()
        if process is None:
            return
        for number in dict.fromkeys((_STOP_SIGNALS[mode], signal.SIGQUIT)):
            process.send_signal(number)
            if self._ends(process, timeout_seconds):
                return
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the postmaster, as a crash would; its backends follow by themselves."""
        process = self._postmaster()
        if process is not None:
            process.kill()
            if not self._ends(process, 10.0):
                raise PostgresFailedError(f"PostgreSQL (pid {process.pid}) outlived SIGKILL; see what holds its disk.")

    def createdb(self, name: str) -> str:
        """Create a database unless it exists; returns its connection URL."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.dsn_for(name)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One starter at a time: two initdb runs in one directory would spoil it."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with (self.data_dir.parent / f".{self.data_dir.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _account(self) -> ServerAccount | None:
        if os.geteuid() != 0:
            return None
        if (self.data_dir / "PG_VERSION").exists():
            owner = self.data_dir.stat()
            return ServerAccount(owner.st_uid, owner.st_gid)
        return unprivileged_account()

    def _grant_paths(self, account: ServerAccount | None) -> None:
        """Give the server's account its directories, and the way to them."""
        for directory in (self.data_dir, self.socket_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if account is not None:
                os.chown(directory, account.uid, account.gid)
        if account is not None:
            allow_traversal(self.data_dir, account)
            allow_traversal(self.bin_dir, account)
            allow_reading(self.bin_dir.parent)

    def _initialise(self, account: ServerAccount | None) -> None:
        password = secrets.token_urlsafe(24)
        with tempfile.NamedTemporaryFile("w", prefix="fiatrails-") as password_file:
            password_file.write(password)
            password_file.flush()
            if account is not None:
                os.chown(password_file.name, account.uid, account.gid)
            done = self._run(account, "initdb", *self._initdb_arguments(password_file.name))
        if done.returncode != 0:
            raise PostgresFailedError(f"initdb failed in {self.data_dir}: {done.stderr.strip() or done.stdout.strip()}")
        self._write_private(_PASSWORD_FILE, password, account)

    def _initdb_arguments(self, password_file: str) -> list[str]:
        settings = [f"--set={name}={value}" for name, value in _SETTINGS.items()]
        return [
            f"--pgdata={self.data_dir}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            # The socket is in a directory that only the server's account may enter.
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-instructions",
            *([] if self._fsync else ["--no-sync"]),
            *settings,
        ]

    def _launch(self, account: ServerAccount | None) -> None:
        """Start the server, again while sessions of a killed predecessor are still leaving."""
        (self.data_dir / _PID_FILE).unlink(missing_ok=True)  # stale: no postmaster of ours runs
        self._write_private(_PORT_FILE, str(self._choose_port()), account)
        deadline = time.monotonic() + _ORPHAN_EXIT_SECONDS
        while not self._spawn(account):
            if not self._blocked_by_orphans() or time.monotonic() > deadline + _ORPHAN_EXIT_SECONDS:
                raise PostgresFailedError(f"PostgreSQL did not start. Its log ends with:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                self._kill_orphans()
            time.sleep(0.1)

    def _choose_port(self) -> int:
        if self._wanted_port is not None:
            return self._wanted_port
        with contextlib.suppress(OSError, ValueError):
            if is_free(self.port):
                return self.port
        return free_port()

    def _spawn(self, account: ServerAccount | None) -> bool:
        """Start the postmaster; False when it ended at once."""
        with self.log_path.open("ab") as log:
            if account is not None:
                os.chown(self.log_path, account.uid, account.gid)
            self._child = adopt(
                subprocess.Popen(
                    [self.bin_dir / "postgres", "-D", self.data_dir, *self._server_arguments()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    env=_clean_environment(),
                    start_new_session=True,
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                )
            )
        while self._child.poll() is None:
            if self._is_ready():
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _server_arguments(self) -> list[str]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
            **({} if self._fsync else _NOT_DURABLE),
        }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _becomes_ready(self) -> bool:
        """Wait until the server accepts connections; False when it ended instead: it may have been about to stop."""
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while not self._is_ready():
            if self._postmaster() is None:
                return False
            if time.monotonic() > deadline:
                raise PostgresFailedError(f"PostgreSQL is not ready. Its log ends with:\n{self._log_tail()}")
            time.sleep(_POLL_SECONDS)
        return True

    def _ends(self, process: psutil.Process, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        while is_running(process):
            if self._child is not None:
                self._child.poll()  # reaps it when it is ours; somebody else's zombie counts as ended
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self.data_dir / _PID_FILE).read_text().splitlines()
        except FileNotFoundError:
            return []

    def _is_ready(self) -> bool:
        lines = self._pid_file_lines()
        return len(lines) > 7 and lines[7].strip() == "ready"

    def _postmaster(self) -> psutil.Process | None:
        """Return the running server, or None. A pid file may outlive its server, and its pid may be another
        program's."""
        if self._child is not None:
            self._child.poll()
        lines = self._pid_file_lines()
        if not lines or not lines[0].strip().isdigit():
            return None
        try:
            process = psutil.Process(int(lines[0]))
            return process if is_running(process) and str(self.data_dir) in process.cmdline() else None
        except psutil.NoSuchProcess:
            return None

    def _blocked_by_orphans(self) -> bool:
        return "pre-existing shared memory block" in self._log_tail(5)

    def _kill_orphans(self) -> None:
        """Kill the backends that a dead postmaster left behind: a frozen one never notices that it has gone."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.name().startswith("postgres") and process.cwd() == str(self.data_dir):
                    process.kill()

    def _log_tail(self, lines: int = 20) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _write_private(self, name: str, text: str, account: ServerAccount | None) -> None:
        path = self.data_dir / name
        path.touch(mode=0o600)
        path.write_text(text)
        if account is not None:
            os.chown(path, account.uid, account.gid)

    def _run(self, account: ServerAccount | None, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.bin_dir / tool, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env=_clean_environment(),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def _clean_environment() -> dict[str, str]:
    """Our environment without what libpq and initdb would read from it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
