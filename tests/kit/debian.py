"""Programs of Debian's packages for tests, unpacked beside the project's own tools and not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from fiatrails.local.toolchain import PROJECT_ROOT
from tests.kit.run import alone

_TOOLS = PROJECT_ROOT / ".tools" / "debian"


def program(name: str, *, package: str) -> Path:
    """The program of that name: this machine's own, or the package's, brought by apt when it is first asked for."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    return Path(found) if found else _unpacked(package, name)


def library_path(package: str) -> str:
    """LD_LIBRARY_PATH for a program that was unpacked: the libraries that its package asks for, beside it."""
    found = {str(library.parent) for library in (_TOOLS / package).glob("usr/lib/**/*.so.*")}
    return ":".join(sorted(found))


def _unpacked(package: str, name: str) -> Path:
    root = _TOOLS / package
    _TOOLS.mkdir(parents=True, exist_ok=True)
    with alone(_TOOLS / f"{package}.lock"):
        if not root.exists():
            scratch = _TOOLS / f"{package}.making"
            shutil.rmtree(scratch, ignore_errors=True)
            _download(package, scratch)
            scratch.rename(root)
    for place in ("usr/bin", "usr/sbin"):
        if (root / place / name).exists():
            return root / place / name
    raise FileNotFoundError(f"Debian's package {package} has no program {name}")


def _download(package: str, into: Path) -> None:
    lists, archives = into / "apt" / "lists", into / "apt" / "archives"
    for directory in (lists / "partial", archives / "partial"):
        directory.mkdir(parents=True)
    # Lists of our own: this machine's may be empty or old, and only root may renew them.
    options = [
        "-o",
        f"Dir::State::Lists={lists}",
        "-o",
        f"Dir::Cache::Archives={archives}",
        "-o",
        "APT::Sandbox::User=",
    ]
    _run(["apt-get", "-qq", *options, "update"], into)
    wanted = [package, *_libraries(_run(["apt-cache", *options, "depends", package], into))]
    _run(["apt-get", "-qq", *options, "download", *wanted], into)
    for archive in into.glob("*.deb"):
        _run(["dpkg-deb", "--extract", str(archive), str(into)], into)
        archive.unlink()
    shutil.rmtree(into / "apt")


def _libraries(depends: str) -> list[str]:
    """The shared libraries among the packages that one depends on; the C library is this machine's."""
    names = [line.split(":", 1)[1].strip() for line in depends.splitlines() if line.strip().startswith("Depends: lib")]
    return [name for name in names if not name.startswith("libc6")]


def _run(command: list[str], directory: Path) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout
