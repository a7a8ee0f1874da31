"""A live API for tests: gunicorn, PostgreSQL with fsync on, requests as clients write them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.kit.ports import free_port
from tests.kit.processes import ROOT, stop, wait_for_http

CLIENT_SECRET = "client-secret-current-0123456789abcdefgh"
CLIENT_SECRET_NEW = "client-secret-new-0123456789abcdefghijkl"
GATEWAY_SECRET = "gateway-secret-0123456789abcdefghijklmno"
DJANGO_KEY = "django-key-0123456789abcdefghijklmnopqrs"
USER = "0x00000000000000000000000000000000000000aa"
TOKENS = 10**18
# Everything whose rows a refused request must not change.
TABLES = (
    "purchases_delivery",
    "purchases_purchase",
    "purchases_transition",
    "purchases_daily_usage",
    "idempotency_keys",
    "rb_core_inbox_event",
    "rb_core_payment",
    "rb_core_inbox_conflict",
    "ledger_entry",
    "engine_dead_letter",
    "compliance_screening",
)


def write_deployments(path: Path) -> Path:
    """An address book of contracts that nobody deployed: making intents needs their names only."""
    address = [f"0x{number:040x}" for number in range(1, 7)]
    contracts = {
        "UserRegistry": address[0],
        "ComplianceManager": {"proxy": address[1], "implementation": address[2]},
        "USDStablecoin": address[3],
        "KES": {"CountryToken": address[4], "MintEscrow": address[5], "countryCode": "KES"},
    }
    path.write_text(json.dumps({"31337": {"chainId": 31337, "block": 1, "contracts": contracts}}))
    return path


def hex_hmac(secret: str, message: bytes) -> str:
    """As a client computes it, apart from the product's code."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def signed(raw: bytes = b"", *, secret: str = CLIENT_SECRET, at: int | None = None, **headers: str) -> dict[str, str]:
    """Headers of a signed request; `X_Name="..."` adds X-Name."""
    timestamp = str(int(time.time()) if at is None else at)
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    signature = hex_hmac(secret, timestamp.encode() + raw)
    return {
        "X-Request-Timestamp": timestamp,
        "X-Request-Signature": signature,
        "Content-Type": "application/json",
        **extra,
    }


def new_intent(**fields: Any) -> dict[str, Any]:
    """A valid body with a txRef of its own."""
    body = {"user": USER, "amount": str(1500 * TOKENS), "countryCode": "KES", "txRef": f"T-{uuid.uuid4().hex}"}
    return {name: value for name, value in {**body, **fields}.items() if value is not None}


def callback_body(**fields: Any) -> dict[str, Any]:
    """A valid confirmation."""
    body = {
        "txRef": f"C-{uuid.uuid4().hex}",
        "amount": "1500.00",
        "phone": "254712345678",
        "timestamp": int(time.time()),
    }
    return {**body, "metadata": {"receipt": uuid.uuid4().hex[:10].upper()}, **fields}


@dataclass
class Live:
    """A running server and its database."""

    url: str
    database_url: str = field(repr=False)
    log_path: Path
    environment: dict[str, str] = field(repr=False)

    def client(self) -> httpx.Client:
        """Keeps connections; never retries."""
        return httpx.Client(base_url=self.url, timeout=30)

    def make(self, http: httpx.Client, body: Mapping[str, Any] | bytes, **headers: str) -> httpx.Response:
        """POST /api/v1/mint-intents with a fresh idempotency key unless one is given."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers.setdefault("X_Idempotency_Key", uuid.uuid4().hex)
        return http.post("/api/v1/mint-intents", content=raw, headers=signed(raw, **headers))

    def read(self, http: httpx.Client, path: str, **headers: str) -> httpx.Response:
        """A signed GET."""
        return http.get(path, headers=signed(**headers))

    def confirm(
        self, http: httpx.Client, body: Mapping[str, Any] | bytes, *, secret: str = GATEWAY_SECRET
    ) -> httpx.Response:
        """A signed confirmation of the gateway."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"X-Mpesa-Signature": hex_hmac(secret, raw), "Content-Type": "application/json"}
        return http.post("/api/v1/callbacks/mpesa", content=raw, headers=headers)

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Straight from the database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(sql, parameters).fetchall()

    def counts(self, session: psycopg.Connection | None = None) -> dict[str, int]:
        """Rows of every table that a request can change; a session that is open already saves its making."""
        asked = ", ".join(f"(SELECT count(*) FROM {table})" for table in TABLES)
        [found] = session.execute(f"SELECT {asked}").fetchall() if session else self.rows(f"SELECT {asked}")
        return dict(zip(TABLES, found, strict=True))

    def execute(self, sql: str, *parameters: Any) -> None:
        """Changes the database behind the server's back."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(sql, parameters)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Longer than the kit waits: the whole suite may be running beside us on two cores."""
    for attempt in range(4):
        try:
            return wait_for_http(url, process)
        except TimeoutError:
            if attempt == 3:
                raise
    return None


@contextmanager
def serve(database_url: str, directory: Path, **environment: str) -> Iterator[Live]:
    """Serve a migrated database until the block ends; one worker process unless GUNICORN_WORKERS says otherwise."""
    port = free_port()
    metrics = directory / "metrics"
    metrics.mkdir(parents=True, exist_ok=True)
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("FIATRAILS_", "HMAC_", "MPESA_"))},
        "DJANGO_SETTINGS_MODULE": "fiatrails.config.settings.local",
        "DJANGO_SECRET_KEY": DJANGO_KEY,
        "DATABASE_URL": database_url,
        "FIATRAILS_DEPLOYMENTS": str(write_deployments(directory / "deployments.json")),
        "HMAC_SECRET": CLIENT_SECRET,
        "HMAC_SECRET_NEW": CLIENT_SECRET_NEW,
        "MPESA_GATEWAY_SECRET": GATEWAY_SECRET,
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        # Nobody listens there: the rail must not need the chain to take payments.
        "RPC_URL": "http://127.0.0.1:9",
        "PORT": str(port),
        # A worker takes longer to start than most tests; who tests what several of them share asks for more.
        "GUNICORN_WORKERS": "1",
        **environment,
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:fiatrails.config.gunicorn"]
    log_path = directory / "api.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, "fiatrails.config.wsgi:application"], env=env, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        _wait(f"http://127.0.0.1:{port}/nothing", process)
        yield Live(f"http://127.0.0.1:{port}", database_url, log_path, env)
    finally:
        stop(process)
