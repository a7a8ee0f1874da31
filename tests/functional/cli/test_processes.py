"""`fiatrails` as a process of its own: environment file, pipes, signals, a database that is away."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from fiatrails.local.state import write_env
from tests.kit.ports import free_port
from tests.kit.processes import ROOT, stop, wait_for_http
from tests.kit.services import DeployedChain

FIATRAILS = Path(sys.executable).with_name("fiatrails")
SECRET = "0123456789abcdef0123456789abcdef"


def clean() -> dict[str, str]:
    """An environment that names no deployment."""
    ours = (
        "FIATRAILS_",
        "DJANGO_",
        "DATABASE_",
        "RPC_",
        "MPESA_",
        "HMAC_",
        "SIGNER_",
        "OFFICER_",
        "PROMETHEUS_",
        "METRICS_",
    )
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def fiatrails(*arguments: str, env: dict[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FIATRAILS, *arguments],
        env=env,
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def stack(postgres: EmbeddedPostgres, services_dir: Path) -> dict[str, str]:
    """A state directory as `fiatrails up` leaves it, over a migrated database; the environment that finds it."""
    root = services_dir / "cli-state"
    root.mkdir()
    variables = {"FIATRAILS_ENV": "local", "DATABASE_URL": postgres.createdb("cli_process"), "HMAC_SECRET": SECRET}
    write_env(root / "env", variables)
    env = {**clean(), "FIATRAILS_STATE_DIR": str(root)}
    done = fiatrails("db", "migrate", env=env)
    assert done.returncode == 0, done.stderr
    return env


def test_a_second_terminal_finds_the_local_stack(stack: dict[str, str]) -> None:
    done = fiatrails("intent", "list", "--json", env=stack)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"intents": []}


def test_the_environment_wins_over_the_stack(stack: dict[str, str]) -> None:
    away = {**stack, "DATABASE_URL": "postgresql://nobody:hidden-word@127.0.0.1:9/none"}
    done = fiatrails("intent", "list", "--json", env=away)
    assert done.returncode == 5
    assert json.loads(done.stdout)["error"] == "database_unavailable"
    assert done.stderr.count("\n") == 1
    assert "hidden-word" not in done.stderr


def test_a_database_without_a_schema_says_what_to_run(postgres: EmbeddedPostgres, stack: dict[str, str]) -> None:
    done = fiatrails("ledger", "verify", env={**stack, "DATABASE_URL": postgres.createdb("cli_empty")})
    assert (done.returncode, "fiatrails db migrate" in done.stderr) == (6, True)


def test_an_unusable_profile_is_named(stack: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "seed.json"
    broken.write_text("{")
    done = fiatrails("config", "show", env={**stack, "FIATRAILS_PROFILE": str(broken)})
    assert (done.returncode, str(broken) in done.stderr) == (6, True)
    assert "Traceback" not in done.stderr


def test_placeholders_are_refused_in_production(stack: dict[str, str]) -> None:
    env = {**clean(), "FIATRAILS_ENV": "production", "DATABASE_URL": stack.get("DATABASE_URL", "postgresql:///x")}
    done = fiatrails("config", "show", env=env)
    assert (done.returncode, "openssl rand -hex 32" in done.stderr) == (6, True)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_reader_that_leaves_early_is_no_error(stack: dict[str, str], flags: tuple[str, ...]) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    process = subprocess.Popen(
        [FIATRAILS, "config", "show", *flags], env=stack, cwd=ROOT, stdout=theirs, stderr=subprocess.PIPE, text=True
    )
    os.close(theirs)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (141, "")


def test_nobody_answers_a_question_without_a_terminal(stack: dict[str, str]) -> None:
    done = fiatrails("mode", "set", "degraded", "on", "--reason", "x", env=stack)
    assert done.returncode == 1
    shown = json.loads(fiatrails("mode", "show", "--json", env=stack).stdout)
    assert not any(mode["inForce"] for mode in shown["modes"])


def test_manage_py_talks_to_the_same_deployment(stack: dict[str, str]) -> None:
    """As the runbook writes it, before a rollback: every migration of the table that it counts is applied."""
    command = [sys.executable, "manage.py", "showmigrations", "rb_core"]
    done = subprocess.run(command, env=stack, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    name, *migrations = done.stdout.split("\n")[:-1]
    assert name == "rb_core"
    assert migrations
    assert all(line.startswith(" [X] ") for line in migrations), done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_ends_when_it_is_told_to(
    stack: dict[str, str], deployed_chain: DeployedChain, tmp_path: Path, number: signal.Signals
) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [FIATRAILS, "worker"], env={**stack, **deployed_chain.environment}, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        wait_for_line(tmp_path / "log", "worker.started", process)
        process.send_signal(number)
        assert process.wait(30) == 0
    finally:
        stop(process)
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert events[-1]["event"] == "worker.stopped"
    assert SECRET not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("shared", [False, True])
def test_a_worker_serves_its_own_metrics(
    stack: dict[str, str], deployed_chain: DeployedChain, tmp_path: Path, shared: bool
) -> None:
    port = free_port()
    env = {**stack, **deployed_chain.environment, "METRICS_PORT": str(port)}
    if shared:
        (tmp_path / "counters").mkdir()
        env["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path / "counters")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([FIATRAILS, "worker"], env=env, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_for_http(f"http://127.0.0.1:{port}/metrics", process)
        asked = counted(port, "eth_call", process)
        assert asked > 0
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert 'fiatrails_mint_intents_total{status="executed"} 0.0' in text
        assert 'fiatrails_compliance_checks_total{result="cleared"} 0.0' in text
        assert "fiatrails_dlq_depth" not in text
    finally:
        assert stop(process) == 0
    assert "worker.stopped" in (tmp_path / "log").read_text()


def counted(port: int, method: str, process: subprocess.Popen[bytes]) -> float:
    """How many calls of the method were made, once there was one."""
    pattern = re.compile(rf'fiatrails_rpc_requests_total{{method="{method}"}} (\S+)')
    for _ in range(300):
        found = pattern.search(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
        if found is not None and float(found[1]) > 0:
            return float(found[1])
        assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError(f"no {method} was counted")


def test_a_port_that_is_taken_is_named(stack: dict[str, str], deployed_chain: DeployedChain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = {**stack, **deployed_chain.environment, "METRICS_PORT": str(taken.getsockname()[1])}
        done = fiatrails("worker", env=env)
    assert (done.returncode, "METRICS_PORT" in done.stderr) == (6, True)


def wait_for_line(log: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if text in log.read_text():
            return
        assert process.poll() is None, log.read_text()
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(log.read_text())


def test_the_api_serves_and_takes_options_of_gunicorn(
    stack: dict[str, str], deployed_chain: DeployedChain, tmp_path: Path
) -> None:
    port = free_port()
    env = {**stack, **deployed_chain.environment, "PORT": str(port), "GUNICORN_WORKERS": "1"}
    process = subprocess.Popen([FIATRAILS, "api", "--", "--pid", str(tmp_path / "pid")], env=env, cwd=ROOT)
    try:
        wait_for_http(f"http://127.0.0.1:{port}/health", process)
        assert int((tmp_path / "pid").read_text()) == process.pid
    finally:
        assert stop(process) == 0


def test_the_doctor_lists_its_findings(stack: dict[str, str], deployed_chain: DeployedChain) -> None:
    done = fiatrails("doctor", "--json", env={**stack, **deployed_chain.environment})
    findings = {finding["name"]: finding["level"] for finding in json.loads(done.stdout)}
    assert (findings["database"], findings["contracts"], findings["migrations"]) == ("ok", "ok", "ok")
    assert findings["secrets"] == "fail"
    assert done.returncode == 1
