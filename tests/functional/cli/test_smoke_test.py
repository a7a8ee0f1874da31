"""`fiatrails smoke-test` against a real API, worker, chain and sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from fiatrails.kernel.conf import Config
from fiatrails.local.postgres import EmbeddedPostgres
from tests.functional.cli.conftest import USER
from tests.kit.commands import Run
from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.rail import CLIENT_SECRET, Rail, compliant_users
from tests.kit.services import DeployedChain


@pytest.fixture(scope="module")
def rail(postgres: EmbeddedPostgres, deployed_chain: DeployedChain, services_dir: Path) -> Iterator[Rail]:
    """The API and the sandbox; no worker, but what a test starts itself."""
    port = free_port()
    sandbox = f"http://127.0.0.1:{port}"
    rail = Rail(services_dir / "smoke", postgres, deployed_chain, "smoke", extra_env={"MPESA_BASE_URL": sandbox})
    arguments = ["--port", str(port), "--callback-url", rail.url, "--state-dir", str(services_dir / "smoke" / "mpesa")]
    env = {"MPESA_SANDBOX_GATEWAY_SECRET": rail.gateway_secret}
    try:
        rail.start_api()
        with python_module("sandbox.mpesa", arguments, ready_url=f"{sandbox}/_sandbox/health", env=env):
            yield rail
    finally:
        rail.close()


@pytest.fixture(autouse=True)
def secret(configure: Callable[..., Config]) -> None:
    """Makes this process a client of the rail."""
    configure(client_secrets=(("current", SecretStr(CLIENT_SECRET)),))


@pytest.fixture
def smoke_test(rail: Rail, mpesa_at: Callable[[str], None]) -> tuple[str, ...]:
    """The command, against the rail and its sandbox."""
    mpesa_at(rail.extra_env["MPESA_BASE_URL"])
    return "smoke-test", "--user", USER, "--api-url", rail.url


def test_an_api_that_is_away_is_an_unknown_outcome(run: Run) -> None:
    done = run("smoke-test", "--user", USER, "--api-url", "http://127.0.0.1:9", "--json")
    assert (done.code, done.document["error"]) == (5, "api_unreachable")


def test_a_wrong_recipient_or_country_is_a_usage_error(run: Run) -> None:
    assert run("smoke-test", "--user", "0x12").code == 2
    assert run("smoke-test", "--user", USER, "--country", "XXX").code == 2


def test_a_wrong_secret_fails_the_test_with_its_reason(
    run: Run, smoke_test: tuple[str, ...], configure: Callable[..., Config]
) -> None:
    configure(client_secrets=(("current", SecretStr("another-secret-0123456789abcdef0123456789")),))
    done = run(*smoke_test)
    assert (done.code, "401" in done.err) == (1, True)


def test_without_a_worker_the_mint_is_not_in_time(run: Run, smoke_test: tuple[str, ...]) -> None:
    done = run(*smoke_test, "--timeout", "2", "--json")
    assert (done.code, done.document["error"]) in ((1, "not_in_time"), (1, "unhealthy"))


def test_where_there_is_no_sandbox_a_person_is_asked_to_pay(
    run: Run, smoke_test: tuple[str, ...], mpesa_at: Callable[[str], None]
) -> None:
    mpesa_at("")
    done = run(*smoke_test, "--timeout", "1")
    assert done.code == 1
    assert "pay 1.00 KES with reference SMOKE" in done.err


@pytest.mark.slow
def test_one_small_mint_from_end_to_end(rail: Rail, deployed_chain: DeployedChain) -> None:
    [user] = compliant_users(deployed_chain, 1)
    worker = rail.start_worker()
    try:
        done = rail.cli("smoke-test", "--user", user, "--json")
    finally:
        # The others of this file have none.
        worker.kill()
    whole = json.loads(done.stdout)
    steps = ["health", "intent", "payment", "executed", "ledger"]
    assert whole["ok"]
    assert [step["step"] for step in whole["steps"]] == steps
    shown = json.loads(rail.cli("intent", "show", whole["steps"][-1]["intentId"], "--json").stdout)
    assert (shown["status"], shown["tokens"], shown["user"]) == ("executed", "1", user)
    assert [line.split()[1] for line in done.stderr.splitlines()] == steps
