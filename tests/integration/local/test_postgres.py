"""The embedded PostgreSQL: durable, private, and back after every kind of end."""

import contextlib
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from fiatrails.local.ports import is_listening
from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.services import copy_cluster


@pytest.fixture
def data_dir() -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="fiatrails-pg-test-"))
    yield root / "pg"
    EmbeddedPostgres(root / "pg").stop("immediate")
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def server(data_dir: Path, cluster: Path) -> EmbeddedPostgres:
    """Set up already: that takes most of the time, and the tests that are about it do it themselves."""
    started = EmbeddedPostgres(copy_cluster(cluster, data_dir))
    started.start()
    return started


def ask(server: EmbeddedPostgres, query: str) -> str:
    with psycopg.connect(server.dsn) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return str(row[0])


def write_marker(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE marker (value text)")
        connection.execute("INSERT INTO marker VALUES ('kept')")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on"), ("commit_delay", "0")],
)
def test_durability_is_on_by_default(postgres: EmbeddedPostgres, setting: str, value: str) -> None:
    assert ask(postgres, f"SHOW {setting}") == value


def test_two_hundred_connections_are_allowed(postgres: EmbeddedPostgres) -> None:
    assert ask(postgres, "SHOW max_connections") == "200"


def test_without_fsync_the_server_says_so(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, fsync=False) as server:
        assert ask(server, "SHOW fsync") == "off"


def test_data_survives_a_stop(server: EmbeddedPostgres) -> None:
    write_marker(server)
    server.stop()
    assert not server.is_running()
    server.start()
    assert ask(server, "SELECT value FROM marker") == "kept"


def test_the_url_stays_the_same_over_restarts(server: EmbeddedPostgres) -> None:
    before = server.dsn
    server.stop()
    server.start()
    assert server.dsn == before


def test_data_survives_an_immediate_stop(server: EmbeddedPostgres) -> None:
    write_marker(server)
    server.stop("immediate")
    server.start()
    assert ask(server, "SELECT value FROM marker") == "kept"


def test_data_survives_kill_nine_with_sessions_open(server: EmbeddedPostgres) -> None:
    write_marker(server)
    held = psycopg.connect(server.dsn)
    held.execute("SELECT 1")
    server.kill()
    assert not server.is_running()
    server.start()
    assert ask(server, "SELECT value FROM marker") == "kept"
    held.close()


@contextlib.contextmanager
def frozen_session(server: EmbeddedPostgres) -> Iterator[None]:
    """A session whose backend is stopped in the middle, as a debugger or a starved host does."""
    connection = psycopg.connect(server.dsn, autocommit=True)
    backend = psutil.Process(connection.info.backend_pid)
    backend.suspend()
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            backend.resume()
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGKILL])
def test_a_server_that_ends_beside_a_frozen_session_starts_again(
    server: EmbeddedPostgres, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started while it still stops, or while the frozen session keeps the memory that it needs."""
    monkeypatch.setattr("fiatrails.local.postgres._ORPHAN_EXIT_SECONDS", 0.5)
    write_marker(server)
    pid = server.pid
    assert pid is not None
    with frozen_session(server):
        os.kill(pid, number)
        time.sleep(0.2)
        server.start()
        assert ask(server, "SELECT value FROM marker") == "kept"
    assert server.pid != pid


def test_a_server_with_a_frozen_session_can_be_stopped(server: EmbeddedPostgres) -> None:
    with frozen_session(server):
        server.stop(timeout_seconds=1)
        assert not server.is_running()


def test_a_pid_file_that_names_another_program_is_not_believed(server: EmbeddedPostgres) -> None:
    server.stop()
    pid_file = server.data_dir / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{server.data_dir}\n1\n{server.port}\n\nlocalhost\n\nready\n")
    assert not server.is_running()
    server.stop()  # must not signal this test
    server.start()
    assert server.pid != os.getpid()


def test_a_second_handle_adopts_the_running_server(server: EmbeddedPostgres) -> None:
    other = EmbeddedPostgres(server.data_dir)
    other.start()
    assert other.pid == server.pid
    other.stop()
    assert not server.is_running()


def test_a_start_beside_a_running_server_takes_another_port(server: EmbeddedPostgres) -> None:
    taken = server.port
    other_dir = server.data_dir.parent / "other"
    with EmbeddedPostgres(other_dir) as other:
        assert other.port != taken
        assert is_listening(other.port)


def test_a_wrong_password_is_refused_over_tcp(postgres: EmbeddedPostgres) -> None:
    password = postgres.dsn.split(":")[2].split("@")[0]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.dsn.replace(password, "wrong"))


def test_the_data_directory_and_the_password_are_private(postgres: EmbeddedPostgres) -> None:
    assert stat.S_IMODE(postgres.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((postgres.data_dir / "fiatrails.password").stat().st_mode) == 0o600


def test_the_server_is_never_root_whoever_starts_it(postgres: EmbeddedPostgres) -> None:
    assert postgres.pid is not None
    assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0


def test_createdb_twice_is_one_database(postgres: EmbeddedPostgres) -> None:
    assert postgres.createdb("twice") == postgres.createdb("twice")
    with psycopg.connect(postgres.dsn_for("twice")) as connection:
        assert connection.info.dbname == "twice"


def test_pgbench_is_there(postgres: EmbeddedPostgres) -> None:
    assert os.access(postgres.pgbench, os.X_OK)


def test_a_start_names_the_reason_when_it_fails(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    pid = server.pid
    server.stop()
    (data_dir / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(RuntimeError, match="no_such_setting"):
        server.start()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
