"""The servers of the stack behind one face: start, stop, is it alive."""

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import httpx

from fiatrails.local.anvil import Anvil
from fiatrails.local.ports import LOOPBACK
from fiatrails.local.postgres import EmbeddedPostgres
from fiatrails.local.process import ManagedProcess
from fiatrails.local.state import StateDir
from fiatrails.local.toolchain import PROJECT_ROOT

DEFAULT_PORTS = {"api": 3000, "anvil": 8545, "mpesa": 4010}
BIN = Path(sys.executable).parent
_READY_TIMEOUT_SECONDS = 60.0


class Part(Protocol):
    """One server of the stack."""

    def start(self) -> None:
        """Start it unless it runs, and wait until it is ready."""

    def stop(self) -> None:
        """Stop it."""

    def is_alive(self) -> bool:
        """Return whether it runs."""


class PostgresPart:
    """The database."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self.server = server
        self.start = server.start
        self.stop = server.stop
        self.is_alive = server.is_running


class AnvilPart:
    """The chain."""

    def __init__(self, chain: Anvil) -> None:
        self.start = chain.start
        self.stop = chain.stop
        self.is_alive = chain.process.is_alive


class ServerPart:
    """A process of ours that is ready when a URL answers 200 (or at once, without a URL)."""

    def __init__(self, process: ManagedProcess, ready_url: str | None = None) -> None:
        self._process = process
        self._ready_url = ready_url
        self.stop = process.terminate
        self.log_tail = process.log_tail
        self.is_alive = process.is_alive

    def start(self) -> None:
        """Start it unless it runs, and wait until it is ready."""
        self._process.start()
        self._process.wait_ready(self._is_ready, timeout_seconds=_READY_TIMEOUT_SECONDS, poll_seconds=0.1)

    def _is_ready(self) -> bool:
        if self._ready_url is None:
            return True
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self._ready_url, timeout=5.0, trust_env=False).status_code == httpx.codes.OK
        return False


def local_url(ports: Mapping[str, int], name: str, path: str = "") -> str:
    """Return the address of one part, or of a page of it."""
    return f"http://{LOOPBACK}:{ports.get(name, DEFAULT_PORTS[name])}{path}"


def child_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what a process of the stack is started with.

    Bytecode goes to a cache of its own: where PYTHONDONTWRITEBYTECODE is set every start would compile Django
    again, which triples it.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    inherited.setdefault("PYTHONPYCACHEPREFIX", str(PROJECT_ROOT / ".tools" / "pycache"))
    return {**inherited, **variables}


def all_parts(state: StateDir, *, ports: Mapping[str, int], environment: Mapping[str, str]) -> dict[str, Part]:
    """Return every part, in the order in which they need each other."""

    def server(name: str, command: list[str | Path], ready_path: str | None) -> ServerPart:
        process = ManagedProcess(
            name,
            command,
            log_path=state.log(name),
            record_path=state.record(name),
            env=child_environment(environment),
            cwd=PROJECT_ROOT,
        )
        return ServerPart(process, local_url(ports, name, ready_path) if ready_path else None)

    chain = Anvil(
        ports.get("anvil", DEFAULT_PORTS["anvil"]),
        state_path=state.anvil_state,
        log_path=state.log("anvil"),
        record_path=state.record("anvil"),
    )
    sandbox: list[str | Path] = [
        sys.executable,
        *("-m", "sandbox.mpesa", "--port", str(ports.get("mpesa", DEFAULT_PORTS["mpesa"]))),
        *("--callback-url", local_url(ports, "api"), "--state-dir", state.sandbox),
    ]
    return {
        "postgres": PostgresPart(EmbeddedPostgres(state.postgres)),
        "anvil": AnvilPart(chain),
        "mpesa": server("mpesa", sandbox, "/_sandbox/health"),
        "api": server("api", [BIN / "fiatrails", "api"], "/health"),
        "worker": server("worker", [BIN / "fiatrails", "worker"], None),
    }
