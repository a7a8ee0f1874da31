"""The doctor finds what is wrong and says what to do; on a healthy deployment it finds nothing."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from fiatrails.chains.evm.contracts.contract import Read
from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.chains.evm.contracts.escrow import MintEscrow
from fiatrails.kernel.conf import Config
from fiatrails.local.keystores import DEPLOYER, EXECUTOR, dev_address
from fiatrails.operations.doctor import (
    CheckResult,
    Context,
    DeploymentCheck,
    Findings,
    Level,
    configuration,
    database,
    run_checks,
)
from tests.kit.ports import free_port
from tests.kit.services import DeployedChain, set_stablecoin, without_address

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def healthy(on_chain: DeployedChain, configure: Callable[..., Config]) -> Config:
    on_chain.password_file.chmod(0o600)
    settings = configure(client_secrets=(("current", SecretStr("x" * 64)),))
    secrets = (("current", SecretStr("y" * 64)),)
    return configure(mpesa=replace(settings.providers["mpesa"], gateway_secrets=secrets, base_url=""))


def diagnose(settings: Config, *, now: datetime | None = None) -> dict[str, CheckResult]:
    return {result.name: result for result in run_checks(settings, now=now or datetime.now(UTC))}


def test_a_healthy_deployment_has_nothing_to_complain_about(healthy: Config) -> None:
    found = diagnose(healthy)
    assert [r for r in found.values() if r.level not in (Level.OK, Level.SKIP)] == []
    assert {"database durability", "migrations", "contracts", "roles", "balance", "rpc 1", "stablecoin KES"} <= set(
        found
    )
    assert "funds KES" in found


def test_every_failure_says_what_to_do(healthy: Config, configure: Callable[..., Config], tmp_path: Path) -> None:
    broken = configure(
        client_secrets=(),
        deployments_path=tmp_path / "none.json",
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
        profile=healthy.profile.model_copy(update={"rpc_urls": (f"http://127.0.0.1:{free_port()}",)}),
    )
    failed = {r.name: r for r in diagnose(broken).values() if r.level is Level.FAIL}
    assert {"secrets", "rpc 1", "contracts", "redis", "balance"} <= set(failed)
    assert all(r.next_step for name, r in failed.items() if name != "clock")


def test_a_chain_with_another_id_is_refused(healthy: Config, configure: Callable[..., Config]) -> None:
    other = configure(profile=healthy.profile.model_copy(update={"chain_id": 1}))
    assert diagnose(other)["rpc 1"].level is Level.FAIL


def test_a_clock_behind_the_chain_fails(healthy: Config) -> None:
    late = diagnose(healthy, now=datetime.now(UTC) - timedelta(minutes=10))
    assert late["clock, chain head"].level is Level.FAIL


def test_a_password_that_others_can_read_is_a_warning(healthy: Config, on_chain: DeployedChain) -> None:
    on_chain.password_file.chmod(0o644)
    assert diagnose(healthy)["keystore password"].level is Level.WARN


def test_durability_that_is_off_fails() -> None:
    result = database._durability({"fsync": "off", "synchronous_commit": "local", "full_page_writes": "on"})
    assert result.level is Level.FAIL
    assert "fsync" in result.message
    assert "synchronous_commit" not in result.message


def test_a_check_that_breaks_stops_no_other(healthy: Config) -> None:
    def check_nothing(_context: Context) -> Findings:
        raise RuntimeError("broken")
        yield

    checks = [DeploymentCheck("nothing", check_nothing), DeploymentCheck("configuration", configuration.check_profile)]
    found = run_checks(healthy, now=datetime.now(UTC), checks=checks)
    assert [r.level for r in found] == [Level.FAIL, Level.OK]


def test_keystores_need_not_name_their_address(
    healthy: Config, on_chain: DeployedChain, configure: Callable[..., Config], tmp_path: Path
) -> None:
    executor = without_address(on_chain.executor_keystore, tmp_path / "executor.json")
    officer = without_address(on_chain.officer_keystore, tmp_path / "officer.json")
    nameless = replace(healthy.signers, keystores=(executor,), officer_keystore=officer)
    found = diagnose(configure(signers=nameless))
    assert [r for r in found.values() if r.level not in (Level.OK, Level.SKIP)] == []
    (tmp_path / "wrong").write_text("wrong")
    (tmp_path / "wrong").chmod(0o600)
    locked = diagnose(configure(signers=replace(nameless, password_file=tmp_path / "wrong")))
    assert locked["keystore"].level is Level.FAIL
    assert "SIGNER_KEYSTORE_PASSWORD_FILE" in locked["keystore"].next_step


def test_a_stablecoin_with_other_decimals_fails(
    healthy: Config, on_chain: DeployedChain, configure: Callable[..., Config], tmp_path: Path
) -> None:
    coin = "0x" + "6f" * 20
    set_stablecoin(on_chain.anvil.url, coin, 6)
    books = json.loads(on_chain.deployments_path.read_text())
    books["31337"]["contracts"]["KES"]["Stablecoin"] = coin
    (tmp_path / "deployments.json").write_text(json.dumps(books))
    found = diagnose(configure(deployments_path=tmp_path / "deployments.json"))["stablecoin KES"]
    assert (found.level, "6 decimals" in found.message, "--stablecoin" in found.next_step) == (Level.FAIL, True, True)


def test_a_book_that_does_not_say_the_currency_fails_and_says_what_to_record(
    healthy: Config, on_chain: DeployedChain, configure: Callable[..., Config], tmp_path: Path
) -> None:
    books = json.loads(on_chain.deployments_path.read_text())
    del books["31337"]["contracts"]["KES"]["stablecoinCurrency"]
    (tmp_path / "deployments.json").write_text(json.dumps(books))
    found = diagnose(configure(deployments_path=tmp_path / "deployments.json"))["stablecoin KES"]
    assert (found.level, "record stablecoinCurrency" in found.next_step) == (Level.FAIL, True)


@pytest.fixture
def approve(on_chain: DeployedChain) -> Iterator[Callable[[int], None]]:
    """Lets the Kenyan escrow take this much from the treasury; without a bound again afterwards."""
    kenya = on_chain.deployment.country("KES")
    approval = load("USDStablecoin").function("approve")

    def let(amount: int) -> None:
        data = "0x" + approval.encode(kenya.escrow, amount).hex()
        call = {"from": dev_address(DEPLOYER), "to": kenya.stablecoin, "data": data}
        on_chain.anvil.rpc("eth_sendTransaction", call)
        on_chain.anvil.rpc("evm_mine")

    yield let
    let(2**256 - 1)


@pytest.mark.parametrize(
    ("allowed", "level"), [(0, Level.FAIL), (3000 * 10**18 - 1, Level.WARN), (3000 * 10**18, Level.OK)]
)
def test_a_treasury_that_lets_the_escrow_take_too_little_is_found(
    healthy: Config, approve: Callable[[int], None], allowed: int, level: Level
) -> None:
    approve(allowed)
    found = diagnose(healthy)["funds KES"]
    assert found.level is level, found
    assert "limits.maxMint is 3,000.00" in found.message
    assert found.next_step.startswith("approve") is (level is not Level.OK)


@pytest.mark.parametrize(
    ("limit", "level"), [(10**27, Level.OK), (10**27 + 1, Level.WARN)], ids=["as much as it holds", "a unit more"]
)
def test_a_treasury_that_holds_too_little_is_found(
    healthy: Config, configure: Callable[..., Config], limit: int, level: Level
) -> None:
    limits = healthy.profile.limits.model_copy(update={"max_mint": limit})
    found = diagnose(configure(profile=healthy.profile.model_copy(update={"limits": limits})))["funds KES"]
    assert found.level is level
    assert "holds 1,000,000,000.00 of the stablecoin" in found.message
    if level is Level.WARN:
        assert found.next_step.startswith("send it coins")


def test_without_a_treasury_each_executor_must_be_able_to_pay(healthy: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MintEscrow, "treasury", lambda self: Read("eth_getCode", (self.address,), lambda _code: ""))
    found = diagnose(healthy)["funds KES"]
    assert found.level is Level.FAIL
    assert dev_address(EXECUTOR).lower() in found.message


def test_what_holds_mints_back_is_found_with_what_to_do(healthy: Config) -> None:
    from fiatrails.chains.evm.models import Lane

    now = datetime.now(UTC)
    for number, (held, since) in enumerate([("no_funds: nonce 4", now), ("fee_cap: dear; raise it", now)]):
        Lane.objects.create(
            chain_id=healthy.profile.chain_id, address=f"0x{number:040x}", role="executor", next_nonce=0,
            created_at=now, held=held, held_since=since - timedelta(minutes=2 * number),
        )  # fmt: skip
    found = diagnose(healthy, now=now)
    fresh, lasting = found[f"holds 0x{0:040x}"], found[f"holds 0x{1:040x}"]
    assert (fresh.level, lasting.level, lasting.next_step) == (Level.WARN, Level.FAIL, "raise it")
    assert "fee_cap: dear" in lasting.message
