"""`fiatrails smoke-test` against a real API, worker, chain and sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.rail import Rail, compliant_users
from tests.kit.services import DeployedChain


@pytest.fixture(scope="module")
def rail(postgres: EmbeddedPostgres, deployed_chain: DeployedChain, services_dir: Path) -> Iterator[Rail]:
    """The API and the sandbox; no worker yet."""
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


@pytest.fixture(scope="module")
def user(deployed_chain: DeployedChain) -> str:
    """Somebody compliant."""
    return compliant_users(deployed_chain, 1)[0]


def test_an_api_that_is_away_is_an_unknown_outcome(rail: Rail, user: str) -> None:
    done = rail.cli("smoke-test", "--user", user, "--api-url", "http://127.0.0.1:9", "--json", check=False)
    assert (done.returncode, json.loads(done.stdout)["error"]) == (5, "api_unreachable")


def test_a_wrong_secret_fails_the_test_with_its_reason(rail: Rail, user: str) -> None:
    rail.client_secret, right = "another-secret-0123456789abcdef0123456789", rail.client_secret
    done = rail.cli("smoke-test", "--user", user, check=False)
    rail.client_secret = right
    assert (done.returncode, "401" in done.stderr) == (1, True)


def test_without_a_worker_the_mint_is_not_in_time(rail: Rail, user: str) -> None:
    done = rail.cli("smoke-test", "--user", user, "--timeout", "2", "--json", check=False)
    assert (done.returncode, json.loads(done.stdout)["error"]) in ((1, "not_in_time"), (1, "unhealthy"))


def test_one_small_mint_from_end_to_end(rail: Rail, user: str) -> None:
    rail.start_worker()
    rail.wait_for(lambda: "executed" in rail.states(), seconds=60, what="the intent of the test before executed")
    done = rail.cli("smoke-test", "--user", user, "--json")
    whole = json.loads(done.stdout)
    assert whole["ok"]
    assert [step["step"] for step in whole["steps"]] == ["health", "intent", "payment", "executed", "ledger"]
    shown = json.loads(rail.cli("intent", "show", whole["steps"][-1]["intentId"], "--json").stdout)
    assert (shown["status"], shown["tokens"], shown["user"]) == ("executed", "1", user)
    assert [line.split()[1] for line in done.stderr.splitlines()] == [
        "health",
        "intent",
        "payment",
        "executed",
        "ledger",
    ]


def test_where_there_is_no_sandbox_a_person_is_asked_to_pay(rail: Rail, user: str) -> None:
    rail.extra_env, before = {"MPESA_BASE_URL": ""}, rail.extra_env
    done = rail.cli("smoke-test", "--user", user, "--timeout", "1", check=False)
    rail.extra_env = before
    assert done.returncode == 1
    assert "pay 1.00 KES with reference SMOKE" in done.stderr


def test_a_wrong_recipient_or_country_is_a_usage_error(rail: Rail, user: str) -> None:
    assert rail.cli("smoke-test", "--user", "0x12", check=False).returncode == 2
    assert rail.cli("smoke-test", "--user", user, "--country", "XXX", check=False).returncode == 2
