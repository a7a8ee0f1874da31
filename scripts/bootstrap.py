#!/usr/bin/env python3
"""Set the project up from nothing: Python environment, contract toolchain, compiled contracts.

Needs Python >= 3.11 and a way to the package registries; no pip, uv, Node, PostgreSQL or Docker. Only the
standard library is used here. Every step is skipped while the files it depends on are unchanged, so a second
run costs a few hundredths of a second.

    python3 scripts/bootstrap.py                   # everything
    python3 scripts/bootstrap.py --skip-contracts  # the Python side only

No registry address is written in this repository: the registries are those that pip, uv and npm are
configured for on this machine (PIP_*, UV_*, npm_config_*, SSL_CERT_FILE, their own files), else the clients'
own defaults. Where Python came without pip, pip is taken from ensurepip, from the configured index, or from
Debian's package of it.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bootstrap_pip import pip_command
from bootstrap_tools import REQUIREMENTS, ROOT, TOOLS, BootstrapError, hint, run

VENV = ROOT / ".venv"
CONTRACTS = ROOT / "contracts"
UV = TOOLS / "uv" / "bin" / "uv"
UV_LOCK = ROOT / "scripts" / "bootstrap-uv.lock"
BUILD_LOCK = ROOT / "scripts" / "bootstrap-build.lock"
MINIMUM_PYTHON = (3, 11)
NEEDED_BYTES = 1_500_000_000
HEARTBEAT_SECONDS = 15.0


@dataclass(frozen=True)
class Step:
    """One unit of set-up. It is done again when a named input changes or its product is missing."""

    name: str
    inputs: tuple[Path, ...]
    product: Path
    run: Callable[[], None]
    salt: str = ""

    @property
    def stamp(self) -> Path:
        return TOOLS / "stamps" / re.sub(r"\W+", "-", self.name)

    def key(self) -> str:
        """Return a hash of everything that the result depends on."""
        digest = hashlib.sha256(f"{self.salt}\0{ROOT}\0".encode())
        for path in expand(self.inputs):
            digest.update(f"{path.relative_to(ROOT)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def is_done(self) -> bool:
        try:
            return self.product.exists() and self.stamp.read_text() == self.key()
        except FileNotFoundError:
            return False

    def mark_done(self) -> None:
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.stamp.with_suffix(".tmp")
        scratch.write_text(self.key())
        scratch.replace(self.stamp)


def expand(inputs: Iterable[Path]) -> Iterator[Path]:
    """Yield files as they are, and directories as all the files below them, in a fixed order."""
    for path in inputs:
        if path.is_dir():
            yield from sorted(found for found in path.rglob("*") if found.is_file())
        elif path.exists():
            yield path


# ---- the steps


def python_steps() -> list[Step]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [
        Step("uv, privately", (UV_LOCK,), UV, install_uv, version),
        Step("Python packages", (REQUIREMENTS,), VENV / "bin" / "python", install_packages, version),
        Step(
            "the project itself",
            (ROOT / "pyproject.toml", BUILD_LOCK, REQUIREMENTS),
            VENV / "bin" / "fiatrails",
            install_project,
            version,
        ),
    ]


def contract_steps() -> list[Step]:
    packages = (CONTRACTS / "package.json", CONTRACTS / "package-lock.json")
    sources = (CONTRACTS / "src", CONTRACTS / "script", CONTRACTS / "tools", CONTRACTS / "foundry.toml")
    return [
        Step("contract toolchain", packages, CONTRACTS / "node_modules", install_contract_packages),
        Step("compiled contracts", (*packages, *sources), CONTRACTS / "out", compile_contracts),
    ]


def install_uv() -> None:
    """pip puts the locked uv into a directory of its own; nothing else on the machine changes."""
    target = TOOLS / "uv"
    shutil.rmtree(target, ignore_errors=True)
    arguments = ["install", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    # A user's pip settings for installs elsewhere must not apply to a private target.
    environment = os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    run([*pip_command(), *arguments, "--target", str(target), "-r", str(UV_LOCK)], environment=environment)


def install_packages() -> None:
    if not venv_is_usable():
        run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, VENV], environment=uv_environment())
    uv_pip("sync", "--require-hashes", "--strict", REQUIREMENTS)


def install_project() -> None:
    uv_pip("install", "--no-deps", "--build-constraints", BUILD_LOCK, "--editable", ROOT)


def install_contract_packages() -> None:
    """npm from the Node wheel. No package needs its install scripts, so none may run.

    Not `npm ci`: it refuses a lock without every platform's optional binary, and a mirror may lack some of
    them. Integrity hashes of the lock are checked all the same, and --no-save leaves the lock as it is.
    """
    npm = VENV / "bin" / "npm"
    options = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    shutil.rmtree(CONTRACTS / "node_modules", ignore_errors=True)
    run([npm, "install", *options], directory=CONTRACTS, environment=node_environment())


def compile_contracts() -> None:
    forge = next((CONTRACTS / "node_modules" / "@foundry-rs").glob("forge-*-*/bin/forge"), None)
    if forge is None:
        raise BootstrapError(
            "npm installed no forge for this machine. The contracts need Linux or macOS on x86-64 or arm64."
        )
    run([forge, "build", "--offline", "--skip", "test"], directory=CONTRACTS, environment=node_environment())


# ---- how tools are called


def uv_pip(command: str, *arguments: str | Path) -> None:
    run([UV, "pip", command, "--python", VENV / "bin" / "python", *arguments], environment=uv_environment())


def uv_environment() -> dict[str, str]:
    """uv reads no PIP_* variable, so what is set for pip is handed on, unless uv has its own."""
    handed_on = {
        "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
        "PIP_CERT": "SSL_CERT_FILE",
        "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
        "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
    }
    environment = dict(os.environ)
    for theirs, ours in handed_on.items():
        if theirs in os.environ:
            environment.setdefault(ours, os.environ[theirs])
    if "UV_DEFAULT_INDEX" not in environment and "UV_INDEX_URL" not in environment:
        environment |= configured_index()
    # pip passes over a wheel directory that is not there; uv stops.
    places = os.environ.get("PIP_FIND_LINKS", "").split()
    wheels = [place for place in places if ":" in place or Path(place).exists()]
    if wheels:
        environment.setdefault("UV_FIND_LINKS", ",".join(wheels))
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    environment.pop("VIRTUAL_ENV", None)
    return with_writable_home(environment)


def configured_index() -> dict[str, str]:
    """Return the index of pip's configuration files, which uv does not read either."""
    try:
        asked = subprocess.run(
            [*pip_command(), "config", "get", "global.index-url"], check=False, capture_output=True, text=True
        )
    except BootstrapError:
        return {}
    return {"UV_DEFAULT_INDEX": asked.stdout.strip()} if asked.returncode == 0 and asked.stdout.strip() else {}


def node_environment() -> dict[str, str]:
    environment = dict(os.environ)
    environment["PATH"] = f"{VENV / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return with_writable_home(environment)


def with_writable_home(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment with a HOME that clients can cache under: under .tools where there is none to write to."""
    home = environment.get("HOME")
    if not home or not os.access(home, os.W_OK):
        environment["HOME"] = str(TOOLS / "home")
        (TOOLS / "home").mkdir(parents=True, exist_ok=True)
    return environment


def venv_is_usable() -> bool:
    """Return whether the environment runs, is where it was made, and has this Python's version."""
    code = "import sys; print(sys.prefix, *sys.version_info[:2])"
    expected = f"{VENV} {sys.version_info.major} {sys.version_info.minor}"
    try:
        said = subprocess.run([VENV / "bin" / "python", "-c", code], check=False, capture_output=True, text=True).stdout
        fiatrails = (VENV / "bin" / "fiatrails").read_text(errors="replace").splitlines()[:3]
    except FileNotFoundError:
        return (VENV / "bin" / "python").exists() and said.strip() == expected
    return said.strip() == expected and any(str(VENV) in line for line in fiatrails)


# ---- running the steps


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the lock of the bootstrap: a second one waits for the first, then finds everything done."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "bootstrap.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up is running in this directory; waiting for it ...", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def progress(label: str) -> Iterator[None]:
    """Say what runs and for how long, at intervals: some of these steps take a minute."""
    started = time.monotonic()
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            print(f"{label} ... {time.monotonic() - started:.0f} s so far", flush=True)

    print(f"{label} ...", flush=True)
    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        ended.set()
        ticker.join()
    print(f"{label}: done in {time.monotonic() - started:.1f} s", flush=True)


def check_machine() -> None:
    if sys.version_info < MINIMUM_PYTHON:
        raise BootstrapError(
            f"Python {sys.version.split()[0]} is too old: 3.11 or later is needed. Install it and run "
            "`make PYTHON=python3.11 ...`, or `python3.11 scripts/bootstrap.py`."
        )
    free = shutil.disk_usage(ROOT).free
    if not VENV.exists() and free < NEEDED_BYTES:
        raise BootstrapError(
            f"{free / 1e9:.1f} GB are free on the disk of {ROOT}; the set-up needs {NEEDED_BYTES / 1e9:.1f} GB."
        )


def bootstrap(steps: list[Step]) -> int:
    """Run the steps that are not done; returns how many."""
    todo = [step for step in steps if not step.is_done()]
    for number, step in enumerate(todo, start=1):
        # A changed Python environment may have replaced what a later step made, hence the second look.
        if not step.is_done():
            with progress(f"[{number}/{len(todo)}] {step.name}"):
                step.run()
            step.mark_done()
    return len(todo)


def main() -> int:
    parser = argparse.ArgumentParser(description="Set the project up from nothing.")
    parser.add_argument("--skip-contracts", action="store_true", help="the Python side only")
    options = parser.parse_args()
    started = time.monotonic()
    try:
        check_machine()
        steps = python_steps() + ([] if options.skip_contracts else contract_steps())
        with one_at_a_time():
            count = bootstrap(steps)
    except BootstrapError as error:
        print(f"\nSet-up stopped: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nSet-up stopped: {error}\n\n{hint(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted; run it again to go on where it stopped.", file=sys.stderr)
        return 130
    if count:
        print(f"Everything is set up ({time.monotonic() - started:.1f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
