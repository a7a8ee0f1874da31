"""Contracts are deployed once, recorded durably, and their state is told truthfully."""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fiatrails.chains.evm.contracts.contract import AccessControlled
from fiatrails.chains.evm.contracts.escrow import MintEscrow
from fiatrails.chains.evm.contracts.inspection import ask, one_endpoint
from fiatrails.kernel.errors import Misconfigured, OutsideUnknown
from fiatrails.local.keystores import DEPLOYER, EXECUTOR, OFFICER, PAYER, dev_address
from fiatrails.operations import deployments
from tests.kit.ports import free_port
from tests.kit.services import (
    KEYSTORE_PASSWORD,
    AnvilFactory,
    DeployedChain,
    deploy_to,
    set_stablecoin,
    without_address,
)

SHILLINGS = {"KES": "KES"}


def status_with(chain: DeployedChain, **recorded: str) -> deployments.DeploymentStatus:
    """The status when the address book says this of the Kenyan contracts."""
    kenya = replace(chain.deployment.country("KES"), **recorded)
    other = replace(chain.deployment, countries={"KES": kenya})
    return deployments.status(rpc_url=chain.anvil.url, deployed=other, currencies=SHILLINGS)


@pytest.fixture(scope="module")
def deployed_chain(anvil_factory: AnvilFactory, services_dir: Path) -> DeployedChain:
    """Deployed to here and now; the other tests' chains are copies of one that was."""
    return deploy_to(anvil_factory(block_time=0.2), directory=services_dir / "deployed-here")


def test_every_contract_has_code_and_every_role_is_granted(deployed_chain: DeployedChain) -> None:
    status = deployments.status(
        rpc_url=deployed_chain.anvil.url,
        deployed=deployed_chain.deployment,
        currencies=SHILLINGS,
        executors=[dev_address(EXECUTOR)],
        officer=dev_address(OFFICER),
    )
    assert status.is_complete
    assert status.implementation_on_chain is not None
    assert status.implementation_on_chain.lower() == deployed_chain.deployment.manager_implementation
    assert [contract.name for contract in status.contracts if contract.paused] == []


def test_a_role_that_was_not_granted_makes_the_status_incomplete(deployed_chain: DeployedChain) -> None:
    status = deployments.status(
        rpc_url=deployed_chain.anvil.url,
        deployed=deployed_chain.deployment,
        currencies=SHILLINGS,
        executors=[dev_address(PAYER)],
    )
    assert not status.is_complete


def test_the_deployer_may_not_execute(deployed_chain: DeployedChain) -> None:
    status = deployments.status(
        rpc_url=deployed_chain.anvil.url,
        deployed=deployed_chain.deployment,
        currencies=SHILLINGS,
        executors=[dev_address(DEPLOYER)],
    )
    assert [role.granted for role in status.roles] == [False]


def test_the_history_has_the_line_that_the_runbook_greps_for(deployed_chain: DeployedChain) -> None:
    history = (deployed_chain.deployments_path.parent / deployments.HISTORY_FILE).read_text()
    line = r"\S+T\S+ chain=31337 block=[1-9]\d* Implementation deployed: (0x[0-9a-fA-F]{40}) \(ComplianceManager\)\n"
    found = re.fullmatch(line, history)
    assert found is not None
    assert found[1].lower() == deployed_chain.deployment.manager_implementation


def test_the_key_and_its_password_are_in_no_file_that_forge_writes(deployed_chain: DeployedChain) -> None:
    written = deployed_chain.deployments_path.parent
    for path in (written / "deployments.json", written / deployments.HISTORY_FILE):
        assert KEYSTORE_PASSWORD not in path.read_text()


def test_an_unreachable_chain_is_unknown_and_not_undeployed(deployed_chain: DeployedChain) -> None:
    with pytest.raises(OutsideUnknown):
        deployments.status(
            rpc_url=f"http://127.0.0.1:{free_port()}", deployed=deployed_chain.deployment, currencies=SHILLINGS
        )


def test_deploying_to_nowhere_fails_and_records_nothing(deployed_chain: DeployedChain, tmp_path: Path) -> None:
    from fiatrails.local.toolchain import PROJECT_ROOT, foundry_binary

    with pytest.raises(OutsideUnknown):
        deployments.deploy(
            rpc_url=f"http://127.0.0.1:{free_port()}",
            plan=deployments.DeploymentPlan(),
            key=deployments.DeployerKey(deployed_chain.deployer_keystore, deployed_chain.password_file),
            toolchain=deployments.Toolchain(PROJECT_ROOT / "contracts", foundry_binary("forge")),
            deployments_path=tmp_path / "deployments.json",
            history_path=tmp_path / deployments.HISTORY_FILE,
            now=datetime(2026, 11, 1, tzinfo=UTC),
        )
    assert list(tmp_path.iterdir()) == []


def test_of_two_deployments_at_once_one_waits_for_forge(deployed_chain: DeployedChain, tmp_path: Path) -> None:
    forge = tmp_path / "forge"
    forge.write_text("#!/bin/sh\nmkdir running || exit 9\nsleep 0.2\nrmdir running\nexit 7\n")
    forge.chmod(0o755)

    def deploy(number: int) -> str:
        with pytest.raises(OutsideUnknown) as refused:
            deployments.deploy(
                rpc_url=deployed_chain.anvil.url,
                plan=deployments.DeploymentPlan(),
                key=deployments.DeployerKey(deployed_chain.deployer_keystore, deployed_chain.password_file),
                toolchain=deployments.Toolchain(tmp_path, forge),
                deployments_path=tmp_path / f"{number}.json",
                history_path=tmp_path / deployments.HISTORY_FILE,
                now=datetime(2026, 11, 1, tzinfo=UTC),
            )
        return str(refused.value)

    with ThreadPoolExecutor() as pool:
        said = list(pool.map(deploy, range(3)))
    assert ["ended with 7" in text for text in said] == [True, True, True], said


def test_another_chains_entry_is_kept(deployed_chain: DeployedChain, tmp_path: Path) -> None:
    path = tmp_path / "deployments.json"
    book = json.loads(deployed_chain.deployments_path.read_text())["31337"]
    deployments.merge(path, book)
    deployments.merge(path, {**book, "chainId": 5})
    assert deployments.load(path, 31337).chain_id == 31337
    assert deployments.load(path, 5).chain_id == 5


def test_writers_at_the_same_time_lose_no_entry(deployed_chain: DeployedChain, tmp_path: Path) -> None:
    path = tmp_path / "deployments.json"
    book = deployed_chain.deployments_path
    code = (
        "import json, sys; from pathlib import Path; from fiatrails.operations.deployments import merge\n"
        "book = json.loads(Path(sys.argv[1]).read_text())['31337']\n"
        "for n in range(10): merge(Path(sys.argv[2]), {**book, 'chainId': int(sys.argv[3]) + n})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(book), str(path), str(n * 100)]) for n in (1, 2, 3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(json.loads(path.read_text())) == 30


def test_a_chain_that_was_never_deployed_says_what_to_do(deployed_chain: DeployedChain) -> None:
    with pytest.raises(Misconfigured, match="deploy"):
        deployments.load(deployed_chain.deployments_path, 1)


def test_the_deployers_keystore_need_not_name_its_address(deployed_chain: DeployedChain, tmp_path: Path) -> None:
    nameless = without_address(deployed_chain.deployer_keystore, tmp_path / "nameless.json")
    key = deployments.DeployerKey(nameless, deployed_chain.password_file)
    assert key.address().lower() == dev_address(DEPLOYER).lower()
    (tmp_path / "wrong").write_text("wrong")
    with pytest.raises(Misconfigured, match="--password-file"):
        deployments.DeployerKey(nameless, tmp_path / "wrong").address()


@pytest.mark.parametrize(
    ("decimals", "currency", "said"),
    [(6, "KES", "has 6 decimals"), (None, "", "does not answer decimals"), (18, "USD", "says that it is 'USD'.*KES")],
)
def test_a_coin_that_does_not_fit_is_refused_before_anything_is_deployed(
    deployed_chain: DeployedChain, tmp_path: Path, decimals: int | None, currency: str, said: str
) -> None:
    coin = "0x" + "6d" * 20
    set_stablecoin(deployed_chain.anvil.url, coin, decimals, currency)
    with pytest.raises(Misconfigured, match=said):
        deployments.deploy(
            rpc_url=deployed_chain.anvil.url,
            plan=deployments.DeploymentPlan(countries=(deployments.PlannedCountry("KES", "KES", coin),)),
            key=deployments.DeployerKey(deployed_chain.deployer_keystore, deployed_chain.password_file),
            toolchain=deployments.Toolchain(tmp_path, tmp_path / "no-forge"),
            deployments_path=tmp_path / "deployments.json",
            history_path=tmp_path / deployments.HISTORY_FILE,
            now=datetime(2026, 11, 1, tzinfo=UTC),
        )
    assert list(tmp_path.iterdir()) == []


def test_a_deployment_with_another_coin_is_incomplete(deployed_chain: DeployedChain) -> None:
    coin = "0x" + "6e" * 20
    for decimals, currency, code in ((6, "", "decimals"), (18, "USD", "currency"), (18, "KES", "escrow")):
        set_stablecoin(deployed_chain.anvil.url, coin, decimals, currency)
        status = status_with(deployed_chain, stablecoin=coin)
        [backing] = status.backings
        assert (backing.backing.coin.decimals, status.is_complete) == (decimals, False)
        assert backing.fault is not None
        assert backing.fault.code == f"stablecoin_{code}"


@pytest.mark.parametrize(("recorded", "code"), [("", "stablecoin_unrecorded"), ("USD", "stablecoin_currency")])
def test_a_deployment_whose_book_has_another_currency_is_incomplete(
    deployed_chain: DeployedChain, recorded: str, code: str
) -> None:
    status = status_with(deployed_chain, stablecoin_currency=recorded)
    assert not status.is_complete
    assert [backing.fault.code for backing in status.backings if backing.fault] == [code]


def test_the_coins_of_countries_that_the_profile_does_not_have_are_not_judged(deployed_chain: DeployedChain) -> None:
    status = deployments.status(
        rpc_url=deployed_chain.anvil.url, deployed=deployed_chain.deployment, currencies={"UGX": "UGX"}
    )
    assert status.backings == ()


@pytest.fixture(scope="module")
def handed_over(deployed_chain: DeployedChain, tmp_path_factory: pytest.TempPathFactory) -> deployments.Deployment:
    """Two countries, one on a coin that stands already, with an admin who is not the deployer."""
    from fiatrails.local.toolchain import PROJECT_ROOT, foundry_binary

    directory = tmp_path_factory.mktemp("handed-over")
    kenyan = deployed_chain.deployment.country("KES").stablecoin
    return deployments.deploy(
        rpc_url=deployed_chain.anvil.url,
        plan=deployments.DeploymentPlan(
            countries=(
                deployments.PlannedCountry("KES", "KES", kenyan),
                deployments.PlannedCountry("UGX", "USD"),
            ),
            roles=deployments.Roles(executors=(dev_address(EXECUTOR),), admin=dev_address(OFFICER)),
        ),
        key=deployments.DeployerKey(deployed_chain.deployer_keystore, deployed_chain.password_file),
        toolchain=deployments.Toolchain(PROJECT_ROOT / "contracts", foundry_binary("forge")),
        deployments_path=directory / "deployments.json",
        history_path=directory / deployments.HISTORY_FILE,
        now=datetime(2026, 11, 1, tzinfo=UTC),
    )


def test_each_country_stands_on_its_own_coin(
    deployed_chain: DeployedChain, handed_over: deployments.Deployment
) -> None:
    kenya, uganda = handed_over.country("KES"), handed_over.country("UGX")
    assert (kenya.stablecoin, kenya.stablecoin_currency) == (deployed_chain.deployment.country("KES").stablecoin, "KES")
    assert uganda.stablecoin != kenya.stablecoin
    status = deployments.status(
        rpc_url=deployed_chain.anvil.url, deployed=handed_over, currencies={"KES": "KES", "UGX": "USD"}
    )
    assert status.is_complete
    assert [backing.backing.coin.currency for backing in status.backings] == ["KES", "USD"]


def test_a_deployer_that_hands_over_keeps_no_role_by_default(
    deployed_chain: DeployedChain, handed_over: deployments.Deployment
) -> None:
    roles = (
        "EXECUTOR_ROLE", "GUARDIAN_ROLE", "COMPLIANCE_OFFICER_ROLE", "COMPLIANCE_OFFICER", "UPGRADER_ROLE",
        "MINTER_ROLE", "DENYLISTER_ROLE",
    )  # fmt: skip
    named = deployments.addresses(handed_over)
    controlled = [
        address for name, address in named.items() if not name.startswith(("Stablecoin", "ComplianceManager i"))
    ]
    questions = [
        AccessControlled(address).has_role(role, dev_address(DEPLOYER)) for address in controlled for role in roles
    ]
    with one_endpoint(deployed_chain.anvil.url) as pool:
        assert not any(ask(pool, questions))
        guardian = MintEscrow(handed_over.country("UGX").escrow).has_role("GUARDIAN_ROLE", dev_address(OFFICER))
        assert ask(pool, [guardian]) == [True]
