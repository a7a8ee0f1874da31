"""Real services as fixtures: a durable PostgreSQL, chains, a Redis. A plugin: `-p tests.kit.services`.

Everything lives in a short directory of its own under the system's temporary directory: unix socket paths are
limited, and pytest's own directories are closed to the account that PostgreSQL runs as under root.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from fiatrails.local.anvil import Anvil
from fiatrails.local.keystores import DEPLOYER, EXECUTOR, OFFICER, dev_address, write_keystore
from fiatrails.local.postgres import EmbeddedPostgres
from fiatrails.local.redis import EmbeddedRedis
from fiatrails.local.toolchain import PROJECT_ROOT, foundry_binary
from fiatrails.operations import deployments
from tests.kit import databases
from tests.kit.ports import free_port
from tests.kit.run import once

AnvilFactory = Callable[..., Anvil]
ChainFactory = Callable[..., "DeployedChain"]
KEYSTORE_PASSWORD = "a test's password"
_STATE_FILE = "chain-state.json"
_BLOCKS_ON_TOP = 4


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
def cluster(run_dir: Path) -> Path:
    """A PostgreSQL that has stopped, with a migrated database in it: made once in a run, to be copied."""
    return once(run_dir, "cluster", _make_cluster)


@pytest.fixture(scope="session")
def postgres(services_dir: Path, cluster: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL with fsync on, one per session."""
    with EmbeddedPostgres(copy_cluster(cluster, services_dir / "pg")) as server:
        yield server
        server.stop("immediate")


def _make_cluster(directory: Path) -> None:
    with EmbeddedPostgres(directory / "pg") as server:
        databases.make_template(server)


def copy_cluster(cluster: Path, data_dir: Path) -> Path:
    """The data directory of a server that starts like the one that was stopped, on a port of its own."""
    # Not shutil: under root, the files belong to the account that the server runs as.
    subprocess.run(["cp", "-a", cluster / "pg", data_dir], check=True)
    (data_dir / "fiatrails.port").write_text(str(free_port()))
    return data_dir


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
def deployed_state(run_dir: Path) -> Path:
    """What a deployment leaves: a chain that has stopped, keystores, the address book. Made once in a run."""
    return once(run_dir, "deployed", _make_deployed_state)


@pytest.fixture(scope="session")
def chain_factory(anvil_factory: AnvilFactory, deployed_state: Path) -> ChainFactory:
    """Starts chains that have the contracts; takes a directory for the chain's files, and what Anvil takes."""

    def start(directory: Path, **options: object) -> DeployedChain:
        shutil.copytree(deployed_state, directory)
        load = ("--load-state", str(directory / _STATE_FILE))
        anvil = anvil_factory(extra_arguments=load, **options)
        # A node that loaded its state knows no older ones: these blocks are for whoever asks for the finalized one.
        anvil.rpc("anvil_mine", hex(_BLOCKS_ON_TOP))
        return described(anvil, directory)

    return start


@pytest.fixture(scope="session")
def deployed_chain(chain_factory: ChainFactory, services_dir: Path) -> DeployedChain:
    """One chain with blocks of a second and the contracts on it, for the whole session."""
    return chain_factory(services_dir / "chain", block_time=1.0)


def _make_deployed_state(directory: Path) -> None:
    dump = ("--dump-state", str(directory / _STATE_FILE))
    chain = Anvil(free_port(), block_time=0.2, extra_arguments=dump, log_path=directory / "anvil.log")
    with chain:
        deploy_to(chain, directory=directory)


def deploy_to(anvil: Anvil, *, directory: Path) -> DeployedChain:
    """Deploy the contracts to a running chain; keystores and the address book go into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    password_file = directory / "password"
    password_file.write_text(KEYSTORE_PASSWORD)
    keystores = {index: directory / f"{index}.json" for index in (DEPLOYER, EXECUTOR, OFFICER)}
    for index, path in keystores.items():
        write_keystore(path, index=index, password=KEYSTORE_PASSWORD)
    roles = deployments.Roles(executors=(dev_address(EXECUTOR),), compliance_officer=dev_address(OFFICER))
    deployments.deploy(
        rpc_url=anvil.url,
        plan=deployments.DeploymentPlan(roles=roles),
        key=deployments.DeployerKey(keystores[DEPLOYER], password_file),
        toolchain=deployments.Toolchain(PROJECT_ROOT / "contracts", foundry_binary("forge")),
        deployments_path=directory / "deployments.json",
        history_path=directory / deployments.HISTORY_FILE,
        now=datetime.now(UTC),
    )
    return described(anvil, directory)


def described(anvil: Anvil, directory: Path) -> DeployedChain:
    """Describe a running chain whose address book, keystores and password are in `directory`."""
    book = directory / "deployments.json"
    return DeployedChain(
        anvil=anvil,
        deployment=deployments.load(book, anvil.chain_id),
        deployments_path=book,
        password_file=directory / "password",
        deployer_keystore=directory / f"{DEPLOYER}.json",
        executor_keystore=directory / f"{EXECUTOR}.json",
        officer_keystore=directory / f"{OFFICER}.json",
    )


def without_address(keystore: Path, target: Path) -> Path:
    """The keystore as `cast wallet new` writes it: only who opens it learns the address."""
    content = json.loads(keystore.read_text())
    del content["address"]
    target.write_text(json.dumps(content))
    return target


def set_stablecoin(rpc_url: str, address: str, decimals: int | None, currency: str = "") -> None:
    """Puts code at the address that answers `currency()`, if it has one, and every other call with a number, or (None)
    with nothing."""
    # PUSH1 number, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN; or STOP.
    code = "00" if decimals is None else f"60{decimals:02x}60005260206000f3"
    if currency:
        # Jumps behind that code when the call is currency(), and answers offset, length and letters there.
        called = f"60003560e01c63e5a6b10f1460{15 + len(code) // 2:02x}57"
        letters = currency.encode().ljust(32, b"\0").hex()
        code = f"{called}{code}5b602060005260{len(currency):02x}6020527f{letters}60405260606000f3"
    code = f"0x{code}"
    body = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setCode", "params": [address, code]}
    assert "error" not in httpx.post(rpc_url, json=body).raise_for_status().json()
