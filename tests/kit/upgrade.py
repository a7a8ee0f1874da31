"""A rail of the version before, kept as a dump in `tests/data/upgrade`: restored, and driven through commands and HTTP.

What the dump holds and how it was made is told in its README. Nothing here names a table or a model, because those are
what an upgrade changes.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from fiatrails.local.anvil import Anvil
from fiatrails.local.environment import security_credential
from fiatrails.local.keystores import EXECUTOR, OFFICER
from fiatrails.local.postgres import EmbeddedPostgres
from fiatrails.local.process import ManagedProcess
from tests.kit.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DUMP = ROOT / "tests/data/upgrade"
DATABASE, CHAIN, FILES, EXPECTED = "database.sql.gz", "chain.json.gz", "files.tar.gz", "expected.json"
BIN = Path(sys.executable).parent
_BLOCKS_ON_TOP = 4
_BLOCK_TIME_S = 0.3
_LIST_ALL = ("--limit", "10000", "--json")

# Each command would be a process that imports everything anew. `case list` ends with 1 while a case stands.
_ONE_AFTER_THE_OTHER = """
import json, sys
from typer.testing import CliRunner
from fiatrails.cli.main import app
said = []
for command in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, command)
    assert done.exit_code in (0, 1) and done.stdout.startswith("{"), (command, done.exit_code, done.output)
    said.append(done.stdout)
print(json.dumps(said))
"""

# What the dumped rail was run with: clearances are sealed, secrets of clients are locked away and requests are signed
# under these. They open nothing but this dump.
SECRETS = {
    "DJANGO_SECRET_KEY": "the-secret-key-of-the-dumped-rail-0123456789",
    "HMAC_SECRET": "the-client-secret-of-the-dumped-rail-0123456789",
    "MPESA_GATEWAY_SECRET": "the-gateway-secret-of-the-dumped-rail-0123456789",
    "MPESA_CONSUMER_KEY": "consumer-key-of-the-dumped-rail",
    "MPESA_CONSUMER_SECRET": "consumer-secret-of-the-dumped-rail",
    "MPESA_PASSKEY": "passkey-of-the-dumped-rail",
    "MPESA_CALLBACK_TOKEN": "callback-token-of-the-dumped-rail-0123456789",
}
_INITIATOR, _INITIATOR_PASSWORD, _SHORTCODE = "testapi", "initiator-password", "174379"

# Every command whose answer must be the same before the migration and after it, by the name it is kept under.
QUESTIONS: dict[str, tuple[str, ...]] = {
    "intents": ("intent", "list", *_LIST_ALL),
    "payments": (
        "payments", "list", *_LIST_ALL,
        *(f"--state={state}" for state in (
            "received", "applied", "unmatched", "surplus", "refunding", "refunded", "declined", "duplicate",
        )),
    ),
    "dead letters": ("dlq", "list", "--json"),
    "trial balance": ("ledger", "trial-balance", "--json"),
    "equation": ("ledger", "equation", "--json"),
    "books": ("ledger", "verify", "--json"),
    "audit": ("audit", "verify", "--json"),
    "cases": ("case", "list", "--all", "--json"),
    "releases": ("screen", "releases", "--json"),
    "lists": ("lists", "history", "--json"),
    "clients": ("client", "list", "--json"),
    "operators": ("operator", "list", "--json"),
}  # fmt: skip


@dataclass(slots=True)
class DumpedRail:
    """The processes of the dumped rail, over a database and a chain that run already; `close()` stops them."""

    directory: Path
    database_url: str
    anvil: Anvil
    api_port: int = field(default_factory=free_port)
    sandbox_port: int = field(default_factory=free_port)
    extra_env: dict[str, str] = field(default_factory=dict)
    processes: list[ManagedProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.directory / "metrics").mkdir(parents=True, exist_ok=True)

    @property
    def api_url(self) -> str:
        """Base of the HTTP interface."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def sandbox_url(self) -> str:
        """Base of the M-PESA simulator."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the rail is started with."""
        return {
            **os.environ,
            **SECRETS,
            "RPC_URL": self.anvil.url,
            "CHAIN_ID": str(self.anvil.chain_id),
            "FIATRAILS_DEPLOYMENTS": str(self.directory / "deployments.json"),
            "SIGNER_KEYSTORE": str(self.directory / f"{EXECUTOR}.json"),
            "SIGNER_KEYSTORE_PASSWORD_FILE": str(self.directory / "password"),
            "OFFICER_KEYSTORE": str(self.directory / f"{OFFICER}.json"),
            "DJANGO_SETTINGS_MODULE": "fiatrails.config.settings.local",
            "FIATRAILS_ENV": "local",
            "FIATRAILS_STATE_DIR": str(self.directory),
            "FIATRAILS_PROFILE": str(self.directory / "seed.json"),
            "DATABASE_URL": self.database_url,
            "PROMETHEUS_MULTIPROC_DIR": str(self.directory / "metrics"),
            "PORT": str(self.api_port),
            "OFAC_SCREENING_ENABLED": "true",
            "ADMIN_ENABLED": "true",
            "MPESA_BASE_URL": self.sandbox_url,
            "MPESA_SHORTCODE": _SHORTCODE,
            "MPESA_INITIATOR_NAME": _INITIATOR,
            "MPESA_CALLBACK_BASE_URL": f"{self.api_url}/callbacks/till",
            "MPESA_ALLOWED_SOURCES": "127.0.0.1",
            **self.extra_env,
        }

    def cli(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run `fiatrails ...` to its end and return its output; AssertionError for another exit code than these."""
        return self._run([str(BIN / "fiatrails"), *arguments], codes)

    def manage(self, *arguments: str) -> str:
        """Run `manage.py ...` to its end and return its output."""
        return self._run([sys.executable, "manage.py", *arguments], (0,))

    def answers(self) -> dict[str, Any]:
        """Return the rail's answer to every one of QUESTIONS: the JSON document that the command prints."""
        return dict(zip(QUESTIONS, self.ask(*QUESTIONS.values()), strict=True))

    def ask(self, *commands: Sequence[str]) -> list[Any]:
        """Run several `fiatrails ... --json` in one process, one after the other, and return their documents."""
        said = self._run([sys.executable, "-c", _ONE_AFTER_THE_OTHER, json.dumps(commands)], (0,))
        return [json.loads(document) for document in json.loads(said)]

    def modes_in_force(self) -> set[str]:
        """Return the names of the modes that `fiatrails mode show` shows as in force."""
        [shown] = self.ask(("mode", "show", "--json"))
        return {mode["mode"] for mode in shown["modes"] if mode["inForce"]}

    def findings(self) -> list[Any]:
        """Return what `fiatrails ledger reconcile` finds wrong; AssertionError when it does not end with 0."""
        report: dict[str, Any] = json.loads(self.cli("ledger", "reconcile", "--json"))
        assert report["ok"] == (not report["findings"])
        return list(report["findings"])

    def intent_status(self, intent_id: str) -> str:
        """Return the status of an intent of the default client, as the API tells it."""
        answer = self.signed("GET", f"/api/v1/mint-intents/{intent_id}")
        return str(answer.raise_for_status().json()["status"])

    def record_currency(self, country: str, currency: str) -> None:
        """Write into the address book, which is older than that, what the country's coin is worth one of."""
        path = self.directory / "deployments.json"
        books = json.loads(path.read_text())
        books[str(self.anvil.chain_id)]["contracts"][country]["stablecoinCurrency"] = currency
        path.write_text(json.dumps(books))

    def start_worker(self) -> ManagedProcess:
        """Start a worker."""
        return self._start([str(BIN / "fiatrails"), "worker"], "worker")

    def start_api(self) -> ManagedProcess:
        """Start the API and wait until it answers."""
        process = self._start([str(BIN / "fiatrails"), "api"], "api")
        process.wait_ready(lambda: _answers(f"{self.api_url}/health"), timeout_seconds=30)
        return process

    def start_simulator(self) -> ManagedProcess:
        """Start the M-PESA simulator over the money book in the rail's directory, and wait until it answers."""
        arguments = ["--port", str(self.sandbox_port), "--callback-url", self.api_url, "--result-delay-ms", "20"]
        process = self._start(
            [sys.executable, "-m", "sandbox.mpesa", *arguments, "--state-dir", str(self.directory / "sandbox")],
            "sandbox",
            MPESA_SANDBOX_GATEWAY_SECRET=SECRETS["MPESA_GATEWAY_SECRET"],
            MPESA_SANDBOX_CONSUMER_KEY=SECRETS["MPESA_CONSUMER_KEY"],
            MPESA_SANDBOX_CONSUMER_SECRET=SECRETS["MPESA_CONSUMER_SECRET"],
            MPESA_SANDBOX_PASSKEY=SECRETS["MPESA_PASSKEY"],
            MPESA_SANDBOX_INITIATOR=_INITIATOR,
            MPESA_SANDBOX_INITIATOR_PASSWORD=_INITIATOR_PASSWORD,
        )
        process.wait_ready(lambda: _answers(f"{self.sandbox_url}/_sandbox/health"), timeout_seconds=30)
        self.extra_env["MPESA_SECURITY_CREDENTIAL"] = security_credential(self.sandbox_url, _INITIATOR_PASSWORD)
        return process

    def signed(
        self, method: str, path: str, body: bytes = b"", *, secret: str = SECRETS["HMAC_SECRET"], **headers: str
    ) -> httpx.Response:
        """Send a request as an API client signs it."""
        timestamp = str(int(time.time()))
        signature = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).hexdigest()
        signing = {"X-Request-Timestamp": timestamp, "X-Request-Signature": signature}
        return httpx.request(
            method,
            f"{self.api_url}{path}",
            content=body,
            timeout=20,
            trust_env=False,
            headers={"Content-Type": "application/json", **signing, **headers},
        )

    def log_tails(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(f"--- {process.name}\n{process.log_tail(15)}" for process in self.processes)

    def close(self) -> None:
        """Stop every process."""
        for process in self.processes:
            process.kill()

    def _run(self, command: list[str], codes: tuple[int, ...]) -> str:
        done = subprocess.run(
            command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode in codes, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _start(self, command: list[str], name: str, **env: str) -> ManagedProcess:
        label = f"{name}-{len(self.processes)}"
        log = self.directory / f"{label}.log"
        process = ManagedProcess(label, command, log_path=log, env={**self.environment, **env}, cwd=ROOT)
        process.start()
        self.processes.append(process)
        return process


def _answers(url: str) -> bool:
    """Whether it answers at all: a rail that has no worker yet says that it is not healthy."""
    try:
        httpx.get(url, timeout=2, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def expected() -> dict[str, Any]:
    """Return what the version before answered to QUESTIONS, and the references of what it left half-way."""
    found: dict[str, Any] = json.loads((DUMP / EXPECTED).read_text())
    return found


def restore(directory: Path, server: EmbeddedPostgres, start_chain: Callable[..., Anvil]) -> DumpedRail:
    """Return the dumped rail, its database not migrated yet and none of its processes started.

    `directory`: new, for its files; its name is the database's. `start_chain`: takes what Anvil takes.
    """
    with tarfile.open(DUMP / FILES) as archive:
        archive.extractall(directory, filter="data")
    state = directory / "chain.json"
    state.write_bytes(gzip.decompress((DUMP / CHAIN).read_bytes()))
    database_url = _restore_database(server, directory.name)
    anvil = start_chain(block_time=_BLOCK_TIME_S, extra_arguments=("--load-state", str(state)))
    # A node that loaded its state knows no older ones: these blocks are for whoever asks for the finalized one.
    anvil.rpc("anvil_mine", hex(_BLOCKS_ON_TOP))
    return DumpedRail(directory, database_url, anvil)


def _restore_database(server: EmbeddedPostgres, name: str) -> str:
    """Load the dump into a new database; returns its connection URL."""
    url = server.createdb(name)
    parts = urlsplit(url)
    command = [
        str(server.bin_dir / "psql"),
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--output=/dev/null",
        f"--host={parts.hostname}",
        f"--port={parts.port}",
        f"--username={parts.username}",
        f"--dbname={name}",
    ]
    statements = gzip.decompress((DUMP / DATABASE).read_bytes())
    password = {"PGPASSWORD": parts.password or ""}
    done = subprocess.run(command, input=statements, env=password, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return url
