"""Seconds from `make up` to the first minted payment in a fresh clone with an empty home, first and second time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, figure
from fiatrails.local.anvil import Anvil
from fiatrails.local.ports import free_port
from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.rail import ROOT


def measure() -> tuple[list[Figure], list[str]]:
    """Measure the first start beside set-up alone, and the second beside bare servers plus the blocks until
    finality."""
    with tempfile.TemporaryDirectory(prefix="fiatrails-start-") as scratch:
        home, clone = Path(scratch, "home"), Path(scratch, "clone")
        home.mkdir()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        env = {**os.environ, "HOME": str(home), "EXIT": "1"}
        setup = _timed(["make", "setup"], clone, env)
        first = setup + _timed(["make", "up"], clone, env)
        second = _timed(["make", "up"], clone, env)
        shutil.rmtree(clone / ".fiatrails", ignore_errors=True)
    return [figure("start.first_s", [first], "s", setup), figure("start.second_s", [second], "s", _bare())], [
        "first: installing everything, then to the first final mint; its limit is the installing alone"
    ]


def _timed(command: list[str], cwd: Path, env: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=cwd, env=env, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.perf_counter() - started


def _bare() -> float:
    """PostgreSQL and anvil started one after the other, and the three blocks that finality takes."""
    with tempfile.TemporaryDirectory(prefix="fiatrails-bare-") as scratch:
        with EmbeddedPostgres(Path(scratch, "pg")) as prepared:
            prepared.stop()
        started = time.perf_counter()
        with EmbeddedPostgres(Path(scratch, "pg")), Anvil(free_port(), block_time=1.0) as chain:
            while chain.block_number() < 3:
                time.sleep(0.05)
            return time.perf_counter() - started
