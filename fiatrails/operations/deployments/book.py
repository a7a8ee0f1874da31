"""The address book and the history of implementations.

`deployments.json` holds one address book per chain id, as the deploy script writes it. `deploy-history.log`
beside it keeps every implementation ever deployed: the runbook's rollback looks there for the previous one.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from fiatrails.chains.evm.contracts.deployment import Deployment, checksum_address, deployment
from fiatrails.kernel.errors import Misconfigured

HISTORY_FILE = "deploy-history.log"


def load(path: Path, chain_id: int) -> Deployment:
    """Return the deployment of one chain; Misconfigured says what is missing."""
    return deployment(path, chain_id)


def addresses(deployed: Deployment) -> dict[str, str]:
    """Every contract by a name that people know it by."""
    named = {
        "UserRegistry": deployed.registry,
        "ComplianceManager": deployed.manager,
        "ComplianceManager implementation": deployed.manager_implementation,
    }
    for code, country in sorted(deployed.countries.items()):
        named[f"CountryToken {code}"] = country.token
        named[f"MintEscrow {code}"] = country.escrow
        named[f"Stablecoin {code}"] = country.stablecoin
    return named


def merge(path: Path, book: Mapping[str, Any]) -> None:
    """Put one chain's address book into the file; other chains stay as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        books = _read_books(path) if path.exists() else {}
        books[str(book["chainId"])] = dict(book)
        _write_durably(path, json.dumps(books, indent=2) + "\n")


def append_history(path: Path, *, deployed: Deployment, block: int, now: datetime) -> None:
    """One line per implementation, in the words that the runbook greps for."""
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
def locked(path: Path) -> Iterator[None]:
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
