"""Real services as fixtures: a durable PostgreSQL, chains, a Redis. A plugin: `-p tests.kit.services`.

Everything lives in a short directory of its own under the system's temporary directory: unix socket paths are
limited, and pytest's own directories are closed to the account that PostgreSQL runs as under root.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from fiatrails.cli.local.anvil import Anvil
from fiatrails.cli.local.keystores import DEPLOYER, EXECUTOR, OFFICER, dev_address, write_keystore
from fiatrails.cli.local.ports import free_port
from fiatrails.cli.local.postgres import EmbeddedPostgres
from fiatrails.cli.local.redis import EmbeddedRedis
from fiatrails.cli.local.toolchain import PROJECT_ROOT, foundry_binary
from fiatrails.operations import deployments

AnvilFactory = Callable[..., Anvil]
KEYSTORE_PASSWORD = "a test's password"


@dataclass(frozen=True, slots=True)
class DeployedChain:
    """A chain with the contracts on it, and what a process needs to use them."""

    anvil: Anvil
    deployment: deployments.Deployment
    deployments_path: Path
    password_file: Path
    deployer_keystore: Path
    executor_keystore: Path
    officer_keystore: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name this chain to the Django side."""
        return {
            "RPC_URL": self.anvil.url,
            "CHAIN_ID": str(self.anvil.chain_id),
            "FIATRAILS_DEPLOYMENTS": str(self.deployments_path),
            "SIGNER_KEYSTORE": str(self.executor_keystore),
            "SIGNER_KEYSTORE_PASSWORD_FILE": str(self.password_file),
            "OFFICER_KEYSTORE": str(self.officer_keystore),
        }


@pytest.fixture(scope="session")
def services_dir() -> Iterator[Path]:
    """The directory of everything that the session's services write."""
    path = Path(tempfile.mkdtemp(prefix="fiatrails-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(services_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL with fsync on, one per session."""
    with EmbeddedPostgres(services_dir / "pg") as server:
        yield server
        server.stop("immediate")


@pytest.fixture(scope="session")
def redis_server(services_dir: Path) -> Iterator[EmbeddedRedis]:
    """A Redis, one per session."""
    with EmbeddedRedis(free_port(), log_path=services_dir / "redis.log") as server:
        yield server


@pytest.fixture(scope="session")
def anvil_factory(services_dir: Path) -> Iterator[AnvilFactory]:
    """Starts chains on free ports; takes what Anvil takes. All of them stop with the session."""
    started: list[Anvil] = []

    def start(**options: object) -> Anvil:
        options.setdefault("log_path", services_dir / f"anvil-{len(started)}.log")
        chain = Anvil(free_port(), **options)  # type: ignore[arg-type]
        chain.start()
        started.append(chain)
        return chain

    yield start
    for chain in started:
        chain.stop()


@pytest.fixture(scope="session")
def deployed_chain(anvil_factory: AnvilFactory, services_dir: Path) -> DeployedChain:
    """One chain with blocks of a second and the contracts on it, for the whole session."""
    return deploy_to(anvil_factory(block_time=1.0), directory=services_dir / "chain")


def deploy_to(anvil: Anvil, *, directory: Path) -> DeployedChain:
    """Deploy the contracts to a running chain; keystores and the address book go into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    password_file = directory / "password"
    password_file.write_text(KEYSTORE_PASSWORD)
    keystores = {index: directory / f"{index}.json" for index in (DEPLOYER, EXECUTOR, OFFICER)}
    for index, path in keystores.items():
        write_keystore(path, index=index, password=KEYSTORE_PASSWORD)
    roles = deployments.Roles(executors=(dev_address(EXECUTOR),), compliance_officer=dev_address(OFFICER))
    deployment = deployments.deploy(
        rpc_url=anvil.url,
        plan=deployments.Plan(roles=roles),
        key=deployments.DeployerKey(keystores[DEPLOYER], password_file),
        toolchain=deployments.Toolchain(PROJECT_ROOT / "contracts", foundry_binary("forge")),
        deployments_path=directory / "deployments.json",
        history_path=directory / deployments.HISTORY_FILE,
        now=datetime.now(UTC),
    )
    return DeployedChain(
        anvil=anvil,
        deployment=deployment,
        deployments_path=directory / "deployments.json",
        password_file=password_file,
        deployer_keystore=keystores[DEPLOYER],
        executor_keystore=keystores[EXECUTOR],
        officer_keystore=keystores[OFFICER],
    )


def without_address(keystore: Path, target: Path) -> Path:
    """The keystore as `cast wallet new` writes it: only who opens it learns the address."""
    content = json.loads(keystore.read_text())
    del content["address"]
    target.write_text(json.dumps(content))
    return target


def set_stablecoin(rpc_url: str, address: str, decimals: int | None) -> None:
    """Puts code at the address that answers every call with a number, or (None) with nothing."""
    # PUSH1 number, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN; or STOP.
    code = "0x00" if decimals is None else f"0x60{decimals:02x}60005260206000f3"
    body = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setCode", "params": [address, code]}
    assert "error" not in httpx.post(rpc_url, json=body).raise_for_status().json()
