"""The whole rail behind PgBouncer in transaction mode, with fewer sessions than it has threads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.pgbouncer import PgBouncer
from tests.kit.rail import Rail, compliant_users
from tests.kit.services import DeployedChain

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
POOL_SIZE = 8


@pytest.fixture
def pooler(postgres: EmbeddedPostgres, services_dir: Path) -> Iterator[PgBouncer]:
    """As the how-to says: transaction mode, nothing else."""
    with PgBouncer(services_dir / "rail-pooler" / "pgbouncer", postgres.dsn, pool_size=POOL_SIZE) as server:
        yield server


@pytest.fixture
def rail(
    services_dir: Path, postgres: EmbeddedPostgres, deployed_chain: DeployedChain, pooler: PgBouncer
) -> Iterator[Rail]:
    """API and two workers by way of the pooler; notices come from the server itself."""
    made = Rail(services_dir / "pooled", postgres, deployed_chain, "pooled")
    made.extra_env = {"DATABASE_URL": pooler.url(made.database_url), "DATABASE_DIRECT_URL": made.database_url}
    yield made
    made.close()


def test_thirty_payments_are_minted_once_each_behind_pgbouncer(rail: Rail) -> None:
    users = compliant_users(rail.chain, 3)
    rail.start_api()
    for _ in range(2):
        rail.start_worker()
    refs = [f"POOLED-{number}" for number in range(30)]
    rail.order_and_pay(refs, users, threads=16)
    rail.wait_executed(len(refs), seconds=90)
    rail.require_invariants(minted=len(refs))
    health = httpx.get(f"{rail.url}/health", timeout=10, trust_env=False)
    assert (health.status_code, health.json()["checks"]["database"]) == (200, "healthy")
    checks = json.loads(rail.cli("doctor", "--json", check=False).stdout)
    found = {check["name"]: check["level"] for check in checks}
    assert (found["database"], found["migrations"]) == ("ok", "ok")
    assert "database_error" not in rail.log_tails()
    with psycopg.connect(rail.database_url) as session:
        sessions = session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query NOT LIKE 'LISTEN%'"
            " AND application_name = 'fiatrails'"
        ).fetchone()
    assert sessions is not None
    assert sessions[0] <= POOL_SIZE + 2
