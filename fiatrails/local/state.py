"""What a local stack keeps, under one private directory: secrets, keystores, data, logs."""

import contextlib
import json
import os
import secrets
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fiatrails.local.files import write_private
from fiatrails.local.keystores import DEPLOYER, EXECUTOR, OFFICER, write_keystore
from fiatrails.local.toolchain import PROJECT_ROOT

STATE_DIR_VARIABLE = "FIATRAILS_STATE_DIR"
_KEYSTORES = {"deployer": DEPLOYER, "executor": EXECUTOR, "officer": OFFICER}
_GENERATED_SECRETS = (
    "DJANGO_SECRET_KEY",
    "HMAC_SECRET",
    "MPESA_GATEWAY_SECRET",
    "MPESA_CONSUMER_KEY",
    "MPESA_CONSUMER_SECRET",
    "MPESA_PASSKEY",
    "MPESA_CALLBACK_TOKEN",
    "MPESA_SANDBOX_INITIATOR_PASSWORD",
)
# Those that are rotated by exporting a new one; the others belong to this stack alone.
_ROTATED_SECRETS = ("HMAC_SECRET", "MPESA_GATEWAY_SECRET")


@dataclass(frozen=True, slots=True)
class StateDir:
    """The paths inside a state directory."""

    root: Path

    @classmethod
    def default(cls) -> "StateDir":
        """Return the directory that FIATRAILS_STATE_DIR names, else `.fiatrails` in the project."""
        return cls(Path(os.environ.get(STATE_DIR_VARIABLE) or PROJECT_ROOT / ".fiatrails").absolute())

    @property
    def postgres(self) -> Path:
        """The database cluster."""
        return self.root / "postgres"

    @property
    def anvil_state(self) -> Path:
        """The chain."""
        return self.root / "anvil" / "state.json"

    @property
    def sandbox(self) -> Path:
        """The money book of the M-PESA simulator."""
        return self.root / "mpesa"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.root / "logs"

    @property
    def env_file(self) -> Path:
        """The environment of every process, secrets included; `set -a; . .fiatrails/env` loads it."""
        return self.root / "env"

    @property
    def deployments(self) -> Path:
        """The address book of the contracts."""
        return self.root / "deployments.json"

    @property
    def metrics(self) -> Path:
        """Where the processes of the API and the worker share their counters."""
        return self.root / "metrics"

    @property
    def password_file(self) -> Path:
        """The password of all keystores."""
        return self.root / "keystore-password"

    @property
    def timings(self) -> Path:
        """How long the last start took, step by step."""
        return self.root / "last-start.json"

    @property
    def supervisor_record(self) -> Path:
        """Which process runs `up`."""
        return self.root / "supervisor.json"

    def keystore(self, name: str) -> Path:
        """Return the path of the keystore of the deployer, the executor or the officer."""
        return self.root / "keystores" / f"{name}.json"

    def log(self, name: str) -> Path:
        """Return the path of the log of one process."""
        return self.logs / f"{name}.log"

    def record(self, name: str) -> Path:
        """Return the path of the pid record of one process."""
        return self.root / "pids" / f"{name}.json"

    def prepare(self) -> None:
        """Make the directories, and the keystores on first use."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (self.logs, self.metrics, self.sandbox, self.root / "pids", self.root / "keystores"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.password_file.exists():
            write_private(self.password_file, secrets.token_urlsafe(24))
        password = self.password_file.read_text()
        for name, index in _KEYSTORES.items():
            if not self.keystore(name).exists():
                write_keystore(self.keystore(name), index=index, password=password)

    def empty_metrics(self) -> None:
        """Forget counters of processes that have ended; only while none runs."""
        shutil.rmtree(self.metrics, ignore_errors=True)
        self.metrics.mkdir(mode=0o700)

    def delete(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.root, ignore_errors=True)


def read_env(path: Path) -> dict[str, str]:
    """Return the variables of an env file; none when there is no file."""
    with contextlib.suppress(FileNotFoundError):
        lines = path.read_text(encoding="utf-8").splitlines()
        pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
        return {name: "".join(shlex.split(value)) for name, _, value in pairs}
    return {}


def write_env(path: Path, variables: Mapping[str, str]) -> None:
    """Write an env file that a shell can read, for its owner only."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    write_private(path, "\n".join(["# Written by `fiatrails up`. Holds secrets.", *lines, ""]))


def generated_secrets(known: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets of this state directory: those that exist, and new ones for those that do not."""
    return {name: known.get(name) or secrets.token_hex(32) for name in _GENERATED_SECRETS}


def rotated_secrets(stored: Mapping[str, str], exported: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets of the shell's environment that differ from those of this state directory."""
    return {
        name: exported[name] for name in _ROTATED_SECRETS if exported.get(name) and exported[name] != stored.get(name)
    }


def read_ports(variables: Mapping[str, str]) -> dict[str, int]:
    """Return the ports that an env file records."""
    with contextlib.suppress(ValueError):
        stored = json.loads(variables.get("FIATRAILS_LOCAL_PORTS", "{}"))
        return {str(name): int(port) for name, port in stored.items()}
    return {}
