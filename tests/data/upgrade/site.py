"""Where the rail of the dump runs while it is made, and how its parts are packed."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from fiatrails.local.anvil import Anvil
from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.ports import free_port
from tests.kit.services import DeployedChain, deploy_to
from tests.kit.upgrade import ROOT, DumpedRail


def write_profile(directory: Path, **timeouts: int) -> None:
    """Few attempts, one transaction at a time, lists that never grow old, and limits that one payer runs into."""
    seed = json.loads((ROOT / "seed.json").read_text())
    seed["retry"] |= {"maxAttempts": 5, "initialBackoffMs": 100, "maxBackoffMs": 500}
    seed["timeouts"] |= {"leaseS": 5, "rpcMs": 3000, "unmatchedAlarmS": 5, **timeouts}
    seed["evm"] = {"inFlight": 1}
    seed["screening"] = {"maxListAgeS": 100 * 365 * 86_400}
    seed["velocity"] = [
        {"scope": "phone", "windowS": 86_400, "maxCount": 1000},
        {"scope": "wallet", "windowS": 400 * 86_400, "maxAmount": 300_00, "currency": "KES"},
    ]
    (directory / "seed.json").write_text(json.dumps(seed, indent=2) + "\n")


@contextmanager
def fresh_site(directory: Path) -> Iterator[tuple[DumpedRail, DeployedChain, EmbeddedPostgres]]:
    """A rail on a new database and a new chain."""
    state = ("--dump-state", str(directory / "chain-state.json"))
    with (
        EmbeddedPostgres(directory / "pg", fsync=False) as postgres,
        Anvil(free_port(), block_time=1.0, extra_arguments=state) as anvil,
    ):
        home = directory / "rail"
        chain = deploy_to(anvil, directory=home)
        write_profile(home)
        rail = DumpedRail(home, postgres.createdb("dumped"), anvil)
        try:
            rail.manage("migrate", "--verbosity", "0")
            yield rail, chain, postgres
        finally:
            rail.close()


def dump_database(server: EmbeddedPostgres, url: str) -> bytes:
    """Plain SQL, without owners and privileges."""
    parts = urlsplit(url)
    command = [
        str(server.bin_dir / "pg_dump"),
        "--no-owner",
        "--no-privileges",
        f"--host={parts.hostname}",
        f"--port={parts.port}",
        f"--username={parts.username}",
        parts.path.removeprefix("/"),
    ]
    done = subprocess.run(command, env={"PGPASSWORD": parts.password or ""}, capture_output=True, check=True)
    return done.stdout


def pack(directory: Path, *names: str) -> bytes:
    """Files and directories as tar.gz, without anybody's names in it."""

    def nobody(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return None if member.name.endswith((".pem", ".lock")) else member

    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w:gz") as archive:
        for name in names:
            archive.add(directory / name, name, filter=nobody)
    return kept.getvalue()
