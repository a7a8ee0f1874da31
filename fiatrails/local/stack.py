"""`make up`: every process of the rail on one machine, the contracts deployed, one payment minted."""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console
from rich.markup import escape

from fiatrails.kernel.errors import FiatRailsError
from fiatrails.local.anvil import LOCAL_CHAIN_ID
from fiatrails.local.environment import initial_environment, profile_countries, security_credential
from fiatrails.local.keystores import EXECUTOR, OFFICER, PAYER, dev_address
from fiatrails.local.parts import (
    BIN,
    DEFAULT_PORTS,
    Part,
    PostgresPart,
    ServerPart,
    all_parts,
    child_environment,
    local_url,
)
from fiatrails.local.payment import DemoPayment
from fiatrails.local.ports import free_port, is_free
from fiatrails.local.process import ProcessRecord
from fiatrails.local.state import StateDir, read_env, read_ports, rotated_secrets, write_env
from fiatrails.local.steps import Steps
from fiatrails.local.toolchain import PROJECT_ROOT, foundry_binary
from fiatrails.operations import deployments

_PAYMENT_TIMEOUT_SECONDS = 90.0
_WATCH_SECONDS = 0.5
_POLL_SECONDS = 0.05
_STOP_SUPERVISOR_SECONDS = 60.0
# More restarts than this within the window mean that something is broken rather than killed.
_MAX_RESTARTS = 5
_RESTART_WINDOW_SECONDS = 60.0


class StackFailedError(RuntimeError):
    """The stack could not be started; the message says which part and why."""


class Stack:
    """All parts over one state directory."""

    def __init__(self, state: StateDir, console: Console) -> None:
        self.state = state
        self.console = console
        self._steps = Steps(console)
        self._environment = read_env(state.env_file)
        self._ports = read_ports(self._environment)

    # ---- commands

    def up(self, *, exit_when_minted: bool) -> int:
        """Start what does not run, mint one payment, then stay until interrupted or leave nothing behind."""
        self.state.prepare()
        with self._supervisor_lock() as first:
            if not first:
                self._print_status()
                return 0
            signal.signal(signal.SIGTERM, _interrupt)
            signal.signal(signal.SIGHUP, _interrupt)
            ProcessRecord.of(os.getpid()).write(self.state.supervisor_record)
            try:
                return self._run(exit_when_minted=exit_when_minted)
            finally:
                self._stop_parts()
                self.state.supervisor_record.unlink(missing_ok=True)

    def down(self) -> None:
        """Stop everything; the state stays."""
        supervisor = ProcessRecord.read(self.state.supervisor_record)
        process = supervisor.process() if supervisor else None
        if process is not None:
            process.terminate()
            deadline = time.monotonic() + _STOP_SUPERVISOR_SECONDS
            while supervisor is not None and supervisor.is_alive() and time.monotonic() < deadline:
                time.sleep(0.1)
        if self._environment:
            self._stop_parts()

    def reset(self) -> None:
        """Stop everything and delete the state."""
        self.down()
        self.state.delete()

    # ---- running

    def _run(self, *, exit_when_minted: bool) -> int:
        try:
            self._start_parts()
            ready = self._steps.elapsed
            self._pay_once()
            minted = self._steps.elapsed
        except KeyboardInterrupt:
            self.console.print("Interrupted; stopping.")
            return 130
        except (RuntimeError, FiatRailsError, httpx.HTTPError, OSError) as error:
            self.console.print(f"[red]The stack did not come up:[/] {escape(str(error))}", soft_wrap=True)
            return 1
        self._steps.write(self.state.timings, ready_s=ready, minted_s=minted)
        self.console.print(f"Ready in {ready:.1f} s, first mint final after {minted:.1f} s.")
        if exit_when_minted:
            return 0
        self._print_status()
        return self._watch()

    def _start_parts(self) -> None:
        self._choose_ports()
        parts = self._parts()
        self._start_together({name: parts[name] for name in ("postgres", "anvil", "mpesa")})
        self._finish_environment(parts["postgres"])
        if not any(parts[name].is_alive() for name in ("api", "worker")):
            self.state.empty_metrics()
        with ThreadPoolExecutor() as pool:
            tasks = [pool.submit(self._migrate), pool.submit(self._deploy)]
            for task in tasks:
                task.result()
        parts = self._parts()
        self._start_together({name: parts[name] for name in ("api", "worker")})
        self._require_alive()

    def _require_alive(self) -> None:
        """Raise StackFailedError when a server ended: it would otherwise show only as a payment that never moves on."""
        for name, part in self._parts().items():
            if not part.is_alive():
                tail = part.log_tail() if isinstance(part, ServerPart) else ""
                raise StackFailedError(f"{name} ended. Its log, {self.state.log(name)}, ends with:\n{tail}")

    def _start_together(self, parts: Mapping[str, Part]) -> None:
        def start(name: str, part: Part) -> None:
            if part.is_alive():
                part.start()
                self._steps.say(name, "was already running")
            else:
                with self._steps.step(name):
                    part.start()

        with ThreadPoolExecutor() as pool:
            tasks = [pool.submit(start, name, part) for name, part in parts.items()]
            for task in tasks:
                task.result()

    def _watch(self) -> int:
        """Restart what dies, until interrupted."""
        parts = self._parts()
        restarts: list[float] = []
        try:
            while True:
                time.sleep(_WATCH_SECONDS)
                for name in (name for name, part in parts.items() if not part.is_alive()):
                    now = time.monotonic()
                    restarts = [at for at in restarts if now - at < _RESTART_WINDOW_SECONDS] + [now]
                    if len(restarts) > _MAX_RESTARTS:
                        self._steps.warn(f"{name} keeps ending; see {self.state.log(name)}")
                        return 1
                    self._steps.warn(f"{name} ended; starting it again")
                    self._restart(name, parts[name])
        except KeyboardInterrupt:
            self.console.print("Stopping.")
            return 0

    def _restart(self, name: str, part: Part) -> None:
        """Start a part; one that does not start is tried again at the next look, as often as `_watch` allows."""
        try:
            part.start()
        except (RuntimeError, OSError) as error:
            self._steps.warn(f"{name} did not start: {escape(str(error))}")

    def _stop_parts(self) -> None:
        """In reverse: nothing loses what it still talks to."""
        # A second Ctrl-C must not leave half of the processes behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for part in reversed(list(self._parts().values())):
            part.stop()

    # ---- ports and environment

    def _parts(self) -> dict[str, Part]:
        return all_parts(self.state, ports=self._ports, environment=self._environment)

    def _url(self, name: str, path: str = "") -> str:
        return local_url(self._ports, name, path)

    def _choose_ports(self) -> None:
        """Choose the default ports where they are free, and others where somebody else has them."""
        for name, part in self._parts().items():
            if name not in DEFAULT_PORTS or part.is_alive():
                continue
            part.stop()  # children of a killed process may hold its port
            default = DEFAULT_PORTS[name]
            candidates = (default, self._ports.get(name, default))
            chosen = next((port for port in candidates if is_free(port)), None) or free_port()
            if chosen != default:
                self._steps.warn(f"port {default} is taken by another program; {name} uses {chosen}")
            self._ports[name] = chosen
        self._rotate_secrets()
        self._environment |= initial_environment(self.state, ports=self._ports, stored=self._environment)
        if self._ports != read_ports(read_env(self.state.env_file)):
            # Survivors of a killed supervisor would go on with addresses that no longer hold.
            for name in ("worker", "api", "mpesa"):
                self._parts()[name].stop()

    def _rotate_secrets(self) -> None:
        """Take the secrets that the shell exports, and let nobody who has the old ones run on."""
        rotated = rotated_secrets(self._environment, os.environ)
        for name in rotated:
            self._steps.warn(f"{name} is taken from your environment and kept in {self.state.env_file}")
        self._environment |= rotated
        if rotated:
            for name in ("worker", "api", "mpesa"):
                self._parts()[name].stop()

    def _finish_environment(self, postgres: Part) -> None:
        """Add what only the running servers know, and store it for every other command."""
        before = self._environment.get("DATABASE_URL")
        if isinstance(postgres, PostgresPart):
            self._environment["DATABASE_URL"] = postgres.server.createdb("fiatrails")
        self._environment["MPESA_SECURITY_CREDENTIAL"] = security_credential(
            self._url("mpesa"), self._environment["MPESA_SANDBOX_INITIATOR_PASSWORD"]
        )
        write_env(self.state.env_file, self._environment)
        if before != self._environment["DATABASE_URL"]:
            for name in ("worker", "api"):
                self._parts()[name].stop()

    # ---- schema and contracts

    def _migrate(self) -> None:
        """Bring the schema up to date; skipped while neither the migrations nor the cluster changed."""
        stamp = self.state.postgres / "fiatrails.migrated"
        wanted = _migrations_hash()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        with self._steps.step("database schema"):
            self._run_command("database schema", [sys.executable, "-m", "django", "migrate", "--no-input"])
        stamp.write_text(wanted)

    def _deploy(self) -> None:
        """Deploy the contracts, unless the chain still holds those of the address book."""
        if self._is_deployed():
            return
        with self._steps.step("contracts deployed"):
            deployments.deploy(
                rpc_url=self._environment["RPC_URL"],
                plan=deployments.DeploymentPlan(
                    countries=self._countries(),
                    roles=deployments.Roles(
                        executors=(dev_address(EXECUTOR),), compliance_officer=dev_address(OFFICER)
                    ),
                ),
                key=deployments.DeployerKey(self.state.keystore("deployer"), self.state.password_file),
                toolchain=deployments.Toolchain(PROJECT_ROOT / "contracts", foundry_binary("forge")),
                deployments_path=self.state.deployments,
                history_path=self.state.root / deployments.HISTORY_FILE,
                now=datetime.now(UTC),
            )

    def _is_deployed(self) -> bool:
        if not self.state.deployments.exists():
            return False
        known = deployments.load(self.state.deployments, LOCAL_CHAIN_ID)
        currencies = {country.code: country.currency for country in self._countries()}
        if not currencies.keys() <= known.countries.keys():
            return False
        found = deployments.status(rpc_url=self._environment["RPC_URL"], deployed=known, currencies=currencies)
        return found.is_complete

    def _countries(self) -> tuple[deployments.PlannedCountry, ...]:
        """Those of the profile, each on a stand-in: the coins that it may name stand on another chain."""
        countries = profile_countries(self._environment.get("FIATRAILS_PROFILE"))
        return tuple(replace(country, stablecoin=None) for country in deployments.planned(countries))

    def _pay_once(self) -> None:
        if not self._is_payer_verified():
            attest: list[str | Path] = [BIN / "fiatrails", "user", "attest", dev_address(PAYER)]
            self._run_command("payer verified", attest, needs_parts=True)
        self._steps.say("payer verified", f"{dev_address(PAYER)} in the on-chain registry")
        payment = DemoPayment(
            environment=self._environment,
            api_url=self._url("api"),
            sandbox_url=self._url("mpesa"),
            steps=self._steps,
            on_poll=self._require_alive,
        )
        payment.run(timeout_seconds=_PAYMENT_TIMEOUT_SECONDS)
        self._run_command("ledger balanced", [BIN / "fiatrails", "ledger", "verify"])
        self._steps.say("ledger balanced", "every entry, per currency; hash chain intact")

    def _is_payer_verified(self) -> bool:
        known = deployments.load(self.state.deployments, LOCAL_CHAIN_ID)
        return deployments.is_compliant(rpc_url=self._environment["RPC_URL"], deployed=known, user=dev_address(PAYER))

    def _run_command(self, name: str, command: list[str | Path], *, needs_parts: bool = False) -> None:
        log = self.state.log("commands")
        with log.open("wb") as out:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=PROJECT_ROOT,
                env=child_environment(self._environment),
            )
        try:
            while child.poll() is None:
                time.sleep(_POLL_SECONDS)
                if needs_parts:
                    self._require_alive()
        finally:
            child.kill()
            child.wait()
        if child.returncode != 0:
            output = log.read_text(errors="replace").strip()
            raise StackFailedError(f"{name}: `{' '.join(map(str, command[1:]))}` failed:\n{output[-2000:]}")

    # ---- one supervisor per state directory

    @contextmanager
    def _supervisor_lock(self) -> Iterator[bool]:
        """Yield whether this is the only `up`; the kernel frees the lock even after a kill."""
        with (self.state.root / "up.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _print_status(self) -> None:
        self.console.print("Running:")
        for name, part in self._parts().items():
            where = self._url(name) if name in DEFAULT_PORTS else str(self.state.log(name))
            self.console.print(f"  {name:<9} {'up  ' if part.is_alive() else 'down'}  {where}", soft_wrap=True)
        self.console.print(f"  health    {self._url('api', '/health')}   metrics {self._url('api', '/metrics')}")
        self.console.print(
            f"  cases     {self._url('api', '/admin/')}   `fiatrails operator add NAME` lets somebody in"
        )
        self.console.print("  Ctrl-C or `make down` stops it; `make reset` deletes its state.")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _migrations_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted((PROJECT_ROOT / "fiatrails").rglob("migrations/*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
