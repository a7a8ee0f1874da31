"""The runbook's dump and restore, with PostgreSQL's own programs: what comes back is whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
Programs = Callable[..., str]


@pytest.fixture
def program(postgres: EmbeddedPostgres) -> Programs:
    """Runs a program of PostgreSQL's as its superuser, as `docker compose exec postgres` does."""
    password = postgres.dsn.split(":")[2].split("@")[0]
    env = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGPASSWORD": password, "PATH": os.environ["PATH"]}

    def run(name: str, *arguments: str, stdin: str = "") -> str:
        command = [str(postgres.bin_dir / name), "-U", "postgres", *arguments]
        done = subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def verified(url: str) -> dict[str, object]:
    """`fiatrails ledger verify` on that database."""
    env = {**os.environ, "DATABASE_URL": url, "FIATRAILS_ENV": "test"}
    command = [str(Path(sys.executable).with_name("fiatrails")), "ledger", "verify", "--json"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    whole: dict[str, object] = json.loads(done.stdout)
    return whole


@pytest.mark.parametrize("form", ["plain", "custom"])
def test_a_dump_restored_into_an_empty_database_verifies(
    pay_for: Callable[..., object], postgres: EmbeddedPostgres, program: Programs, tmp_path: Path, form: str
) -> None:
    for number in range(3):
        pay_for(f"TX-{number}", receipt=f"AAAA{number}")
    source, target = str(connection.settings_dict["NAME"]), f"restored_{form}_{os.getpid()}"
    dump = tmp_path / "backup"
    if form == "plain":
        dump.write_text(program("pg_dump", "-d", source))
    else:
        program("pg_dump", "-Fc", "-f", str(dump), source)
    program("createdb", target)
    if form == "plain":
        program("psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", target, stdin=dump.read_text())
    else:
        program("pg_restore", "-d", target, str(dump))
    count = program("psql", "-At", "-d", target, "-c", "SELECT COUNT(*) FROM idempotency_keys;")
    assert count.strip() == "0"
    assert program("psql", "-At", "-d", target, "-c", "SELECT count(*) FROM purchases_purchase").strip() == "3"
    assert verified(postgres.dsn_for(target)) == verified(postgres.dsn_for(source))
    program("dropdb", target)
