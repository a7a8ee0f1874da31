"""A whole rail of real processes for one test: API, workers, database, chain; driven over HTTP as a client would."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from eth_account import Account
from eth_utils import keccak

from fiatrails.local.keystores import OFFICER, dev_address
from fiatrails.local.postgres import EmbeddedPostgres
from fiatrails.local.process import ManagedProcess
from tests.kit.databases import migrated_copy
from tests.kit.ports import free_port
from tests.kit.services import DeployedChain

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
TOKEN = 10**18
CLIENT_SECRET = "client-secret-for-this-test-0123456789abcdef"
GATEWAY_SECRET = "gateway-secret-for-this-test-0123456789abcdef"


@dataclass(slots=True)
class Rail:
    """Everything one test needs; `close()` stops it all."""

    directory: Path
    postgres: EmbeddedPostgres
    chain: DeployedChain
    name: str
    rpc_url: str = ""
    extra_env: dict[str, str] = field(default_factory=dict)
    client_secret: str = CLIENT_SECRET
    gateway_secret: str = GATEWAY_SECRET
    processes: list[ManagedProcess] = field(default_factory=list)
    port: int = 0
    database_url: str = ""

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.database_url = migrated_copy(self.postgres, self.name)
        (self.directory / "metrics").mkdir(exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the rail is started with."""
        return {
            **os.environ,
            **self.chain.environment,
            "RPC_URL": self.rpc_url or self.chain.anvil.url,
            "DJANGO_SETTINGS_MODULE": "fiatrails.config.settings.local",
            "FIATRAILS_ENV": "local",
            "FIATRAILS_STATE_DIR": str(self.directory),
            "FIATRAILS_PROFILE": str(self.profile()),
            "DATABASE_URL": self.database_url,
            "HMAC_SECRET": self.client_secret,
            "MPESA_GATEWAY_SECRET": self.gateway_secret,
            "PROMETHEUS_MULTIPROC_DIR": str(self.directory / "metrics"),
            "PORT": str(self.port),
            **self.extra_env,
        }

    def profile(self) -> Path:
        """The deployment profile: short leases and back-offs, so that a test sees recovery in seconds."""
        path = self.directory / "seed.json"
        if not path.exists():
            seed = json.loads((ROOT / "seed.json").read_text())
            seed["retry"] |= {"maxAttempts": 100, "initialBackoffMs": 100, "maxBackoffMs": 1000}
            seed["timeouts"] |= {"leaseS": 5, "rpcMs": 3000}
            path.write_text(json.dumps(seed))
        return path

    @property
    def url(self) -> str:
        """Base of the HTTP interface."""
        return f"http://127.0.0.1:{self.port}"

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs `fiatrails ...` to its end."""
        result = subprocess.run(
            [str(BIN / "fiatrails"), *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if check and result.returncode != 0:
            raise AssertionError(
                f"fiatrails {' '.join(arguments)}: {result.returncode}\n{result.stdout}\n{result.stderr}"
            )
        return result

    def start(self, *command: str, label: str) -> ManagedProcess:
        """Starts one process of the rail with a log of its own."""
        process = ManagedProcess(
            label,
            [str(BIN / "fiatrails"), *command],
            log_path=self.directory / f"{label}.log",
            env=self.environment,
            cwd=ROOT,
        )
        process.start()
        self.processes.append(process)
        return process

    def start_api(self) -> ManagedProcess:
        """Starts the API and waits until it answers."""
        process = self.start("api", label=f"api-{len(self.processes)}")
        process.wait_ready(self._answers, timeout_seconds=30)
        return process

    def start_worker(self) -> ManagedProcess:
        """Starts a worker."""
        return self.start("worker", label=f"worker-{len(self.processes)}")

    def _answers(self) -> bool:
        try:
            httpx.get(f"{self.url}/health", timeout=2, trust_env=False)
        except httpx.HTTPError:
            return False
        return True

    def close(self) -> None:
        """Stops every process."""
        for process in self.processes:
            process.kill()

    # -- the client's side -------------------------------------------------------------------------------------

    def create_intent(
        self, tx_ref: str, *, user: str, tokens: int = 10, secret: str | None = None, payer: object = None
    ) -> httpx.Response:
        """POST /api/v1/mint-intents, signed."""
        order = {"user": user, "amount": str(tokens * TOKEN), "countryCode": "KES", "txRef": tx_ref}
        body = json.dumps(order | ({"payer": payer} if payer else {})).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Idempotency-Key": hashlib.sha256(tx_ref.encode()).hexdigest(),
            **self.signed(body, secret=secret),
        }
        return httpx.post(f"{self.url}/api/v1/mint-intents", content=body, headers=headers, timeout=20, trust_env=False)

    def signed(self, body: bytes, *, secret: str | None = None) -> dict[str, str]:
        """Headers of a signed request."""
        timestamp = str(int(time.time()))
        key = (secret or self.client_secret).encode()
        signature = hmac.new(key, timestamp.encode() + body, hashlib.sha256).hexdigest()
        return {"X-Request-Timestamp": timestamp, "X-Request-Signature": signature}

    def callback(
        self, tx_ref: str, *, kes: int = 10, receipt: str | None = None, secret: str | None = None
    ) -> httpx.Response:
        """POST of the M-PESA gateway form, signed."""
        metadata = {"metadata": {"receipt": receipt}} if receipt else {}
        body = json.dumps(
            {"txRef": tx_ref, "amount": kes, "phone": "254712345678", "timestamp": int(time.time()), **metadata}
        ).encode()
        signature = hmac.new((secret or self.gateway_secret).encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Mpesa-Signature": signature}
        return httpx.post(
            f"{self.url}/api/v1/callbacks/mpesa", content=body, headers=headers, timeout=20, trust_env=False
        )

    def deliver(self, tx_ref: str, *, kes: int = 10, secret: Callable[[], str] | None = None) -> None:
        """Sends a callback as a provider does: again and again until it is acknowledged with 200."""
        deadline = time.monotonic() + 90
        while True:
            try:
                if self.callback(tx_ref, kes=kes, secret=secret() if secret else None).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < deadline, f"{tx_ref} was never acknowledged"
            time.sleep(0.2)

    def order_and_pay(self, refs: Sequence[str], users: Sequence[str], *, threads: int = 8) -> None:
        """Creates and pays one intent per reference."""

        def one(numbered: tuple[int, str]) -> None:
            number, ref = numbered
            answer = self.create_intent(ref, user=users[number % len(users)])
            assert answer.status_code in (200, 201), answer.text
            self.deliver(ref)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, enumerate(refs)))

    # -- the observer's side -----------------------------------------------------------------------------------

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of the rail's database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(sql, parameters or None).fetchall()  # type: ignore[arg-type]

    def states(self) -> dict[str, int]:
        """How many intents are in each state."""
        return dict(self.query("SELECT state, count(*) FROM purchases_purchase GROUP BY state"))

    def wait_for(self, done: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Waits for a fact that the faults allow; fails with the state of things."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"not {what} after {seconds} s: {self.states()}\n{self.log_tails()}"
            time.sleep(0.2)

    def wait_executed(self, count: int, *, seconds: float) -> None:
        """Waits until exactly `count` intents are executed and nothing else is open."""
        self.wait_for(lambda: self.states() == {"executed": count}, seconds=seconds, what=f"{count} executed")

    def log_tails(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {process.name}\n{process.log_tail(12)}" for process in self.processes)

    def require_invariants(self, *, minted: int) -> None:
        """Every invariant holds, and exactly `minted` intents of this rail were minted on the chain."""
        report = json.loads(self.cli("ledger", "reconcile", "--json").stdout)
        assert report["findings"] == [], report
        ids = {row[0] for row in self.query("SELECT intent_id FROM purchases_purchase")}
        seen = [intent_id for intent_id in mints_on_chain(self.chain) if intent_id in ids]
        assert len(seen) == minted, f"{len(seen)} mints on the chain for {len(ids)} intents"
        assert len(set(seen)) == minted


def mints_on_chain(chain: DeployedChain) -> list[str]:
    """Intent ids of every MintExecuted event of the escrow, asked of the node without any code of the product."""
    topic = "0x" + keccak(b"MintExecuted(bytes32,address,uint256,bytes32,bytes32)").hex()
    escrow = chain.deployment.countries["KES"].escrow
    logs = rpc(chain, "eth_getLogs", {"address": escrow, "topics": [topic], "fromBlock": "0x0", "toBlock": "latest"})
    return [log["topics"][1] for log in logs]


def rpc(chain: DeployedChain, method: str, *params: object) -> Any:
    """One JSON-RPC call straight to the node."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    answer = httpx.post(chain.anvil.url, json=body, timeout=30, trust_env=False).json()
    assert "error" not in answer, answer
    return answer["result"]


def reorganise_once(chain: DeployedChain) -> bool:
    """Replaces the latest block; whether that took something back.

    No block is mined by the clock meanwhile: anvil may otherwise put that block on top of the one that it just threw
    away (one reorganisation in 400 with blocks of 50 ms), and then serves for ever a chain that does not link.
    """
    rpc(chain, "evm_setIntervalMining", 0)
    try:
        rpc(chain, "evm_mine")  # waits for the block that may be in the making
        before = rpc(chain, "eth_getBlockByNumber", "latest", False)
        rpc(chain, "anvil_reorg", 1, [])
        after = rpc(chain, "eth_getBlockByNumber", before["number"], False)
    finally:
        rpc(chain, "evm_setIntervalMining", 1)
    assert after["parentHash"] == before["parentHash"], "anvil serves a chain that does not link"
    return bool(after["hash"] != before["hash"])


def compliant_users(chain: DeployedChain, count: int) -> list[str]:
    """Registers fresh users as compliant, as the compliance officer would."""
    registry = chain.deployment.registry
    officer = dev_address(OFFICER)
    users = [Account.create().address.lower() for _ in range(count)]
    rpc(chain, "anvil_impersonateAccount", officer)
    hashes = [
        rpc(
            chain,
            "eth_sendTransaction",
            {"from": officer, "to": registry, "data": _update_user(user), "gas": hex(200_000)},
        )
        for user in users
    ]
    deadline = time.monotonic() + 60
    while any(rpc(chain, "eth_getTransactionReceipt", h) is None for h in hashes):
        assert time.monotonic() < deadline, "users were not registered"
        time.sleep(0.1)
    rpc(chain, "anvil_stopImpersonatingAccount", officer)
    return users


def _update_user(user: str) -> str:
    selector = keccak(b"updateUser(address,uint8,bytes32,bool)")[:4].hex()
    words = [user[2:].rjust(64, "0"), f"{10:064x}", "ab" * 32, f"{1:064x}"]
    return "0x" + selector + "".join(words)
