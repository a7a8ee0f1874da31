"""Real processes for tests: started, waited for, and ended politely."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
_START_TIMEOUT_S = 20
_STOP_TIMEOUT_S = 10


@contextmanager
def python_module(
    module: str, arguments: Sequence[str], *, ready_url: str, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m module` until the block ends; the block starts when the URL answers."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(env or {})})
    try:
        wait_for_http(ready_url, process)
        yield process
    finally:
        stop(process)


def wait_for_http(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the URL answers anything at all; fail when the process died or is too slow."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode} before it was ready")
        try:
            with urlopen(url, timeout=2):
                return
        except HTTPError as answer:
            answer.close()
            return
        except (URLError, OSError):
            time.sleep(0.02)
    raise TimeoutError(f"{url} did not answer within {_START_TIMEOUT_S} s")


def stop(process: subprocess.Popen[bytes]) -> int:
    """Ask a process to end, insist if it does not, and return its exit code."""
    process.terminate()
    try:
        return process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
