"""Contracts onto a chain, the address book of what stands where, and whether it still does.

`deployments.json` holds one address book per chain id, as the deploy script writes it. `deploy-history.log`
beside it keeps every implementation ever deployed: the runbook's rollback looks there for the previous one.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from fiatrails.chains.evm.contracts.contract import AccessControlled, Contract, Pausable
from fiatrails.chains.evm.contracts.deployment import Deployment, checksum_address, deployment
from fiatrails.chains.evm.contracts.escrow import MintEscrow
from fiatrails.chains.evm.contracts.inspection import ask, one_endpoint
from fiatrails.chains.evm.contracts.manager import ComplianceManager
from fiatrails.chains.evm.contracts.registry import UserRegistry
from fiatrails.chains.evm.contracts.stablecoin import DECIMALS, decimals_of, refuse_other_decimals
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.chains.evm.signer import KeystoreSigner
from fiatrails.kernel.errors import Misconfigured, OutsideUnknown

HISTORY_FILE = "deploy-history.log"
_SCRIPT = "script/Deploy.s.sol"
_DEPLOY_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Roles:
    """Who may do what on the contracts. None leaves it to the script: the deployer on a local chain."""

    executors: tuple[str, ...] = ()
    compliance_officer: str | None = None
    guardian: str | None = None
    treasury: str | None = None
    admin: str | None = None


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What to deploy, and how strict it is."""

    country_codes: tuple[str, ...] = ("KES",)
    roles: Roles = Roles()
    max_risk_score: int = 83
    stablecoin: str | None = None

    def environment(self) -> dict[str, str]:
        """Return the deploy script's variables."""
        variables = {
            "FR_COUNTRY_CODE": ",".join(self.country_codes),
            "FR_EXECUTORS": ",".join(self.roles.executors),
            "FR_COMPLIANCE_OFFICER": self.roles.compliance_officer,
            "FR_GUARDIAN": self.roles.guardian,
            "FR_TREASURY": self.roles.treasury,
            "FR_ADMIN": self.roles.admin,
            "FR_MAX_RISK_SCORE": str(self.max_risk_score),
            "FR_STABLECOIN": self.stablecoin,
        }
        return {name: value for name, value in variables.items() if value}


@dataclass(frozen=True, slots=True)
class DeployerKey:
    """An encrypted keystore and the file with its password; only their paths appear in a command line."""

    keystore: Path
    password_file: Path

    def address(self) -> str:
        """Return the account that the keystore holds; Misconfigured when it does not open."""
        try:
            return checksum_address(KeystoreSigner(self.keystore, self.password_file).address)
        except Misconfigured as error:
            raise Misconfigured(
                error.code, f"{self.keystore} does not open; check --keystore and --password-file"
            ) from None


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The Foundry project and its forge."""

    contracts_dir: Path
    forge: Path


@dataclass(frozen=True, slots=True)
class ContractStatus:
    """One contract on the chain as it is now. `paused` is None where a contract cannot be paused."""

    name: str
    address: str
    has_code: bool
    paused: bool | None = None


@dataclass(frozen=True, slots=True)
class RoleStatus:
    """Whether an account holds a role that the rail needs."""

    contract: str
    role: str
    account: str
    granted: bool


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """What stands on the chain, compared with the address book."""

    deployed: Deployment
    contracts: tuple[ContractStatus, ...]
    implementation_on_chain: str | None
    stablecoin_decimals: int | None
    roles: tuple[RoleStatus, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every contract has code, every asked-for role is granted, and the stablecoin counts as we do."""
        return (
            all(c.has_code for c in self.contracts)
            and all(r.granted for r in self.roles)
            and self.stablecoin_decimals == DECIMALS
        )


def load(path: Path, chain_id: int) -> Deployment:
    """Return the deployment of one chain; Misconfigured says what is missing."""
    return deployment(path, chain_id)


def addresses(deployed: Deployment) -> dict[str, str]:
    """Return every contract by a name that people know it by."""
    named = {
        "UserRegistry": deployed.registry,
        "ComplianceManager": deployed.manager,
        "ComplianceManager implementation": deployed.manager_implementation,
        "USDStablecoin": deployed.stablecoin,
    }
    for code, country in sorted(deployed.countries.items()):
        named[f"CountryToken {code}"] = country.token
        named[f"MintEscrow {code}"] = country.escrow
    return named


def deploy(
    *,
    rpc_url: str,
    plan: DeploymentPlan,
    key: DeployerKey,
    toolchain: Toolchain,
    deployments_path: Path,
    history_path: Path,
    now: datetime,
) -> Deployment:
    """Deploy with forge, then record: first the history (append-only), then the address book.

    Misconfigured, with nothing deployed, for a stablecoin whose decimals are not ours.
    """
    _require_fitting_stablecoin(rpc_url, plan)
    cache = _scratch_parent(toolchain)
    with tempfile.TemporaryDirectory(prefix="deploy-", dir=cache) as scratch:
        book_path = Path(scratch) / "book.json"
        # forge rewrites its cache in place: a second one beside it would read half of it.
        with _locked(cache / "deploy"):
            _run_forge(rpc_url=rpc_url, plan=plan, key=key, toolchain=toolchain, book_path=book_path)
        book = json.loads(book_path.read_text())
        merge(Path(scratch) / "deployments.json", book)
        deployed = load(Path(scratch) / "deployments.json", int(book["chainId"]))
        mined_at = _implementation_block(Path(scratch) / "broadcast", deployed)
    _require_code(rpc_url, deployed)
    append_history(history_path, deployed=deployed, block=mined_at, now=now)
    merge(deployments_path, book)
    return deployed


def merge(path: Path, book: Mapping[str, Any]) -> None:
    """Put one chain's address book into the file; other chains stay as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        books = _read_books(path) if path.exists() else {}
        books[str(book["chainId"])] = dict(book)
        _write_durably(path, json.dumps(books, indent=2) + "\n")


def append_history(path: Path, *, deployed: Deployment, block: int, now: datetime) -> None:
    """Append one line per implementation, in the words that the runbook greps for."""
    implementation = checksum_address(deployed.manager_implementation)
    line = (
        f"{now.isoformat()} chain={deployed.chain_id} block={block} "
        f"Implementation deployed: {implementation} (ComplianceManager)\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log:
        log.write(line)
        log.flush()
        os.fsync(log.fileno())


def status(
    *,
    rpc_url: str,
    deployed: Deployment,
    executors: Sequence[str] = (),
    officer: str | None = None,
) -> DeploymentStatus:
    """Ask the chain what stands there. Raises OutsideUnknown when it does not answer."""
    with one_endpoint(rpc_url) as pool:
        manager = ComplianceManager(deployed.manager)
        (implementation,) = ask(pool, [manager.implementation()])
        return DeploymentStatus(
            deployed=deployed,
            contracts=tuple(_contract_statuses(pool, deployed)),
            implementation_on_chain=implementation,
            stablecoin_decimals=decimals_of(deployed.stablecoin, pool=pool),
            roles=tuple(_role_statuses(pool, deployed, executors, officer)),
        )


def is_compliant(*, rpc_url: str, deployed: Deployment, user: str) -> bool:
    """Return what the registry says of a user; OutsideUnknown when the chain does not answer."""
    with one_endpoint(rpc_url) as pool:
        return ask(pool, [UserRegistry(deployed.registry).is_compliant(user)]) == [True]


def _contract_statuses(pool: EvmPool, deployed: Deployment) -> Iterator[ContractStatus]:
    named = addresses(deployed)
    code = dict(zip(named, ask(pool, [Contract(address).has_code() for address in named.values()]), strict=True))
    pausable = [name for name in named if name.startswith("MintEscrow ") or name == "ComplianceManager"]
    readable = [name for name in pausable if code[name]]
    paused = dict(zip(readable, ask(pool, [Pausable(named[name]).paused() for name in readable]), strict=True))
    for name, address in named.items():
        yield ContractStatus(name, address, code[name] is True, paused[name] is True if name in paused else None)


def _role_statuses(
    pool: EvmPool, deployed: Deployment, executors: Sequence[str], officer: str | None
) -> Iterator[RoleStatus]:
    holders: list[tuple[AccessControlled, RoleStatus]] = [
        (MintEscrow(country.escrow), RoleStatus(f"MintEscrow {code}", "EXECUTOR_ROLE", executor, granted=False))
        for code, country in deployed.countries.items()
        for executor in executors
    ]
    if officer is not None:
        role = RoleStatus("UserRegistry", "COMPLIANCE_OFFICER_ROLE", officer, granted=False)
        holders.append((UserRegistry(deployed.registry), role))
    answers = ask(pool, [contract.has_role(status.role, status.account) for contract, status in holders])
    for (_, status), granted in zip(holders, answers, strict=True):
        yield replace(status, granted=granted is True)


def _run_forge(*, rpc_url: str, plan: DeploymentPlan, key: DeployerKey, toolchain: Toolchain, book_path: Path) -> None:
    """Keys travel in files, the RPC URL (it may hold a provider's key) in the environment: not in `ps`."""
    command: list[str | Path] = [
        toolchain.forge,
        *("script", _SCRIPT, "--broadcast", "--offline", "--non-interactive"),
        *("--sender", key.address(), "--keystore", key.keystore.absolute()),
        *("--password-file", key.password_file.absolute()),
    ]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("FR_", "FOUNDRY_"))},
        **plan.environment(),
        "FOUNDRY_ETH_RPC_URL": rpc_url,
        "FR_OUT": str(book_path),
        "FOUNDRY_BROADCAST": str(book_path.parent / "broadcast"),
        # The compiler shim runs on Node, which is installed beside this Python.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=toolchain.contracts_dir,
            env=environment,
            timeout=_DEPLOY_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise OutsideUnknown(
            "deploy_timeout", "forge did not finish; look at the chain before deploying again"
        ) from None
    if done.returncode != 0 or not book_path.exists():
        output = (done.stderr or done.stdout).replace(rpc_url, "<rpc url>").strip()
        raise OutsideUnknown("deploy_failed", f"forge ended with {done.returncode}: {output[-1500:]}")


def _require_fitting_stablecoin(rpc_url: str, plan: DeploymentPlan) -> None:
    """Escrows keep their stablecoin for ever, so it is looked at before there are any."""
    if plan.stablecoin is None:
        return
    with one_endpoint(rpc_url) as pool:
        refuse_other_decimals(plan.stablecoin, decimals_of(plan.stablecoin, pool=pool))


def _require_code(rpc_url: str, deployed: Deployment) -> None:
    """forge ends well after a mere simulation too, so the chain has the last word."""
    named = addresses(deployed)
    with one_endpoint(rpc_url) as pool:
        code = ask(pool, [Contract(address).has_code() for address in named.values()])
    missing = [name for name, has_code in zip(named, code, strict=True) if not has_code]
    if missing:
        raise OutsideUnknown("deploy_incomplete", f"no code on the chain for: {', '.join(missing)}")


def _scratch_parent(toolchain: Toolchain) -> Path:
    """forge lets scripts write only below the project's own `cache` and `deployments`."""
    parent = (toolchain.contracts_dir / "cache").absolute()
    parent.mkdir(parents=True, exist_ok=True)
    return parent


def _implementation_block(broadcast: Path, deployed: Deployment) -> int:
    """Return the block that holds the implementation, from forge's receipts; else the block that the script saw."""
    for found in broadcast.rglob("run-latest.json"):
        for receipt in json.loads(found.read_text()).get("receipts", []):
            if str(receipt.get("contractAddress")).lower() == deployed.manager_implementation:
                return int(receipt["blockNumber"], 16)
    return deployed.block


def _read_books(path: Path) -> dict[str, Any]:
    try:
        books = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misconfigured(
            "no_deployments",
            f"{path} does not exist; set FIATRAILS_DEPLOYMENTS or run `fiatrails contracts deploy`",
        ) from None
    except (OSError, ValueError):
        raise Misconfigured("deployments_unreadable", f"{path} cannot be read as JSON") from None
    if not isinstance(books, dict):
        raise Misconfigured("deployments_malformed", f"{path} must be an object keyed by chain id")
    return books


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time: deployments to different chains share the address book and forge's cache."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write_durably(path: Path, text: str) -> None:
    """Replace the file atomically; after a power cut it is the old one or the new one."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as scratch:
        scratch.write(text)
        scratch.flush()
        os.fsync(scratch.fileno())
    if path.exists():
        shutil.copymode(path, scratch.name)
    else:
        Path(scratch.name).chmod(0o644)
    Path(scratch.name).replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
