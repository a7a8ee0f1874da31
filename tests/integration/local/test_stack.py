"""`fiatrails up` as a person runs it: from nothing to a final mint, twice, beside another, after a kill."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from fiatrails.local.process import ProcessRecord
from fiatrails.local.state import StateDir, read_env
from fiatrails.local.toolchain import PROJECT_ROOT

pytestmark = pytest.mark.timeout(600)
FIATRAILS = str(Path(sys.executable).parent / "fiatrails")


def environment(state: StateDir) -> dict[str, str]:
    """A person's shell: nothing of the test session's own configuration."""
    kept = ("HOME", "PATH", "LANG", "TMPDIR", "SSL_CERT_FILE")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"FIATRAILS_STATE_DIR": str(state.root)}


def run(state: StateDir, *arguments: str, **exported: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FIATRAILS, *arguments],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=PROJECT_ROOT,
        env=environment(state) | exported,
        timeout=400,
    )


def up_in_background(state: StateDir) -> subprocess.Popen[bytes]:
    """`fiatrails up`, returned as soon as it says that it stays."""
    log = state.root.parent / f"{state.root.name}.up.log"
    # Tests that a shell started with `&` inherit an ignored SIGINT; an operator's terminal does not.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [FIATRAILS, "up"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=PROJECT_ROOT,
            env=environment(state),
        )
    signal.signal(signal.SIGINT, inherited)
    deadline = time.monotonic() + 300
    while "Ctrl-C" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return process


def left_running(state: StateDir) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        command = " ".join(process.info["cmdline"] or [])
        ours = (process.info["environ"] or {}).get("FIATRAILS_STATE_DIR") == str(state.root)
        if str(state.root) in command or (ours and "fiatrails" in command):
            found.append(command)
    return found


def healthy(state: StateDir) -> bool:
    port = read_env(state.env_file)["PORT"]
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def state() -> Iterator[StateDir]:
    with tempfile.TemporaryDirectory(prefix="fiatrails-up-", ignore_cleanup_errors=True) as root:
        one = StateDir(Path(root) / "one")
        yield one
        assert run(one, "reset").returncode == 0


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Somebody else has the API's default port (or already had it)."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 3000))
            other.listen()
        except OSError:
            pass
        yield 3000


@pytest.mark.slow
def test_up_exit_mints_one_payment_leaves_nothing_running_and_continues(state: StateDir, taken_port: int) -> None:
    first = run(state, "up", "--exit")
    assert first.returncode == 0, first.stdout + first.stderr
    for step in ("intent created", "paid", "cleared, submitted", "mined", "final", "ledger balanced"):
        assert step in first.stdout
    assert f"port {taken_port} is taken" in first.stdout
    assert left_running(state) == []
    book, timings = state.deployments.read_text(), json.loads(state.timings.read_text())
    assert timings["ready_s"] <= timings["minted_s"]

    # As the runbook rotates: the new secret is exported, and the processes are started again.
    rotated = "a secret from the shell, 0123456789abcdef"
    second = run(state, "up", "--exit", HMAC_SECRET=rotated)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "HMAC_SECRET is taken from your environment" in second.stdout
    assert read_env(state.env_file)["HMAC_SECRET"] == rotated
    assert "contracts deployed" not in second.stdout
    assert "database schema" not in second.stdout
    assert state.deployments.read_text() == book
    ledger = json.loads(run_while_up(state, "intent", "list", "--json"))
    assert len(json.dumps(ledger).split('"executed"')) - 1 >= 2


def run_while_up(state: StateDir, *arguments: str) -> str:
    supervisor = up_in_background(state)
    try:
        return run(state, *arguments).stdout
    finally:
        supervisor.send_signal(signal.SIGINT)
        assert supervisor.wait(120) == 0


@pytest.mark.slow
def test_a_second_up_says_what_runs_and_kills_are_repaired(state: StateDir) -> None:
    supervisor = up_in_background(state)
    second = run(state, "up")
    assert second.returncode == 0
    assert "Running:" in second.stdout

    # The supervisor puts back what is killed.
    for name in ("worker", "api"):
        record = ProcessRecord.read(state.record(name))
        assert record is not None
        os.kill(record.pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while (again := ProcessRecord.read(state.record(name))) is None or again == record or not again.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    # So it does with a database that ends beside a frozen session, which keeps it from stopping and from starting.
    server = EmbeddedPostgres(state.postgres)
    pid = server.pid
    assert pid is not None
    with psycopg.connect(server.dsn) as session:
        frozen = psutil.Process(session.info.backend_pid)
        frozen.suspend()
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + 90
        while server.pid in (pid, None) or not healthy(state):
            assert supervisor.poll() is None, "the stack ended with its database"
            assert time.monotonic() < deadline
            time.sleep(0.2)

    # A killed supervisor leaves the rail running; the next `up` takes it over, `down` ends it.
    supervisor.kill()
    supervisor.wait()
    deadline = time.monotonic() + 60
    while not healthy(state):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    supervisor = up_in_background(state)
    assert healthy(state)
    assert run(state, "down").returncode == 0
    assert supervisor.wait(120) == 0
    assert left_running(state) == []


@pytest.mark.slow
def test_two_stacks_do_not_collide(state: StateDir) -> None:
    other = StateDir(state.root.parent / "two")
    supervisor = up_in_background(state)
    try:
        beside = run(other, "up", "--exit")
        assert beside.returncode == 0, beside.stdout + beside.stderr
        assert left_running(other) == []
        assert healthy(state)
    finally:
        run(other, "reset")
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(120) == 0
    assert left_running(state) == []


def test_reset_deletes_the_state(state: StateDir) -> None:
    state.prepare()
    assert run(state, "reset").returncode == 0
    assert not state.root.exists()
