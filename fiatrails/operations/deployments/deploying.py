"""Contracts onto a chain, with forge."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from fiatrails.chains.evm.contracts.contract import Contract
from fiatrails.chains.evm.contracts.deployment import Deployment
from fiatrails.chains.evm.contracts.inspection import ask, one_endpoint
from fiatrails.chains.evm.contracts.stablecoin import read_coins, refuse_unfit
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.operations.deployments.book import addresses, append_history, load, locked, merge
from fiatrails.operations.deployments.plan import DeployerKey, DeploymentPlan, Toolchain

_SCRIPT = "script/Deploy.s.sol"
_DEPLOY_TIMEOUT_SECONDS = 300.0


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

    Misconfigured, with nothing deployed, for a stablecoin whose decimals are not ours, or that says another currency.
    """
    _require_fitting_stablecoins(rpc_url, plan)
    cache = _scratch_parent(toolchain)
    with tempfile.TemporaryDirectory(prefix="deploy-", dir=cache) as scratch:
        book_path = Path(scratch) / "book.json"
        # forge rewrites its cache in place: a second one beside it would read half of it.
        with locked(cache / "deploy"):
            _run_forge(rpc_url=rpc_url, plan=plan, key=key, toolchain=toolchain, book_path=book_path)
        book = json.loads(book_path.read_text())
        merge(Path(scratch) / "deployments.json", book)
        deployed = load(Path(scratch) / "deployments.json", int(book["chainId"]))
        mined_at = _implementation_block(Path(scratch) / "broadcast", deployed)
    _require_code(rpc_url, deployed)
    append_history(history_path, deployed=deployed, block=mined_at, now=now)
    merge(deployments_path, book)
    return deployed


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
        said = (done.stderr or done.stdout).replace(rpc_url, "<rpc url>").strip()
        raise OutsideUnknown("deploy_failed", f"forge ended with {done.returncode}: {said[-1500:]}")


def _require_fitting_stablecoins(rpc_url: str, plan: DeploymentPlan) -> None:
    """Tokens stand on what was in the escrow when they were minted, so it is looked at before there is any."""
    named = [(country, country.stablecoin) for country in plan.countries if country.stablecoin]
    if not named:
        return
    with one_endpoint(rpc_url) as pool:
        facts = read_coins([address for _, address in named], pool=pool)
    for (country, address), coin in zip(named, facts, strict=True):
        refuse_unfit(country.code, address, coin, country.currency)


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
    """Return the block that holds the implementation, from forge's receipts; else the block the script saw."""
    for found in broadcast.rglob("run-latest.json"):
        for receipt in json.loads(found.read_text()).get("receipts", []):
            if str(receipt.get("contractAddress")).lower() == deployed.manager_implementation:
                return int(receipt["blockNumber"], 16)
    return deployed.block
