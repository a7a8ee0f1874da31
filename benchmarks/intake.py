"""Signed callbacks accepted durably: 32 connections, 2 API workers, fsync on, every payload unique and paying a purchase."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from benchmarks import load
from benchmarks.figures import Figure, figure, percentile
from benchmarks.site import Site, callback_request, insert_purchases
from fiatrails.local.ports import free_port
from fiatrails.local.process import ManagedProcess
from tests.kit.rail import BIN, ROOT, Rail

REQUESTS = 8_000
WARM_UP = 1_000
SAMPLES = 3
CONNECTIONS = 32
WORKERS = {"GUNICORN_WORKERS": "2"}
USER = "0x" + "a1" * 20


def measure(site: Site) -> tuple[list[Figure], list[str]]:
    """accepts_per_s beside the bare WSGI floor, p99 beside the floor's, and pgbench's bare insert."""
    with site.rail(**WORKERS) as rail:
        rail.start_api()
        sustain(rail, "warm", WARM_UP)
        runs = [sustain(rail, f"run{number}", REQUESTS) for number in range(SAMPLES)]
        floor = [_floor(rail) for _ in range(SAMPLES)]
        bare = _pgbench(site, rail)
    rates = [each.per_second for each in runs]
    p99s = [percentile(each.latencies_ms, 0.99) for each in runs]
    floor_rate = sorted(each.per_second for each in floor)[SAMPLES // 2]
    floor_p99 = sorted(percentile(each.latencies_ms, 0.99) for each in floor)[SAMPLES // 2]
    notes = [f"pgbench, one bare INSERT per COMMIT, 32 clients: {bare:.0f}/s; bare WSGI floor: {floor_rate:.0f}/s"]
    return [
        figure("intake.accepts_per_s", rates, "1/s", floor_rate),
        figure("intake.p99_ms", p99s, "ms", floor_p99),
    ], notes


def sustain(rail: Rail, label: str, count: int) -> load.Load:
    """Pay `count` fresh purchases; every answer must be 200 and every payment must be in the database."""
    refs = [f"{label}-{number}" for number in range(count)]
    insert_purchases(rail, refs, [USER])
    requests = [callback_request(ref, port=rail.port) for ref in refs]
    result = load.run("127.0.0.1", rail.port, requests, connections=CONNECTIONS)
    assert not result.others, result.others
    [(stored,)] = rail.query(
        "SELECT count(*) FROM rb_core_payment WHERE tx_ref LIKE %s AND state = 'applied'", f"{label}-%"
    )
    assert stored == count, f"{stored} of {count} are stored"
    return result


def _floor(rail: Rail) -> load.Load:
    with psycopg.connect(rail.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS floor (id bigserial PRIMARY KEY, raw bytea)")
    port = free_port()
    command: list[str | Path] = [
        BIN / "gunicorn",
        "benchmarks.floor:application",
        "--bind",
        f"127.0.0.1:{port}",
        "--workers",
        "2",
        "--worker-class",
        "gthread",
        "--threads",
        "32",
        "--keep-alive",
        "30",
    ]
    server = ManagedProcess(
        "floor", command, log_path=rail.directory / f"floor-{port}.log", env=rail.environment, cwd=ROOT
    )
    requests = [callback_request(f"floor-{number}", port=port) for number in range(REQUESTS)]
    with server:
        server.wait_ready(lambda: "Booting worker" in server.log_tail(), timeout_seconds=20)
        load.run("127.0.0.1", port, requests[:500], connections=CONNECTIONS)
        return load.run("127.0.0.1", port, requests, connections=CONNECTIONS)


def _pgbench(site: Site, rail: Rail) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("INSERT INTO floor (raw) VALUES (repeat('x', 120)::bytea);\n")
        script.flush()
        Path(script.name).chmod(0o644)
        command = [
            str(site.postgres.pgbench),
            "-n",
            "-c",
            "32",
            "-j",
            "2",
            "-T",
            "5",
            "-f",
            script.name,
            rail.database_url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
    line = next(line for line in done.stdout.splitlines() if line.startswith("tps"))
    return float(line.split("=")[1].split()[0])
