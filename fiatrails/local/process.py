"""One child process with its log, its process group and a record that outlives its parent."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

# Create times come from one kernel counter; the slack only absorbs rounding in JSON.
_CREATE_TIME_SLACK_SECONDS = 0.05
_POLL_SECONDS = 0.02
_LOG_TAIL_LINES = 20


# Servers may outlive the handle that started them, so somebody else has to remember to reap them.
_children: list[subprocess.Popen[bytes]] = []


def adopt(child: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Remember a child for as long as this process lives, and reap those that have ended."""
    _children[:] = [known for known in _children if known.poll() is None]
    _children.append(child)
    return child


class ProcessFailedError(RuntimeError):
    """A managed process ended, or did not become ready in time."""


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """Names one process for good: a recycled pid has another start time."""

    pid: int
    created_at: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Return the record of a process that runs now."""
        return cls(pid=pid, created_at=psutil.Process(pid).create_time())

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the record stored in a file, or None when there is none that can be read."""
        try:
            stored = json.loads(path.read_text())
            return cls(pid=int(stored["pid"]), created_at=float(stored["created_at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Store the record; a reader sees the old file or the new one, never half of it."""
        scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        scratch.write_text(json.dumps({"pid": self.pid, "created_at": self.created_at}))
        scratch.replace(path)

    def process(self) -> psutil.Process | None:
        """Return the live process, or None when it ended (a zombie has ended)."""
        try:
            found = psutil.Process(self.pid)
            if abs(found.create_time() - self.created_at) > _CREATE_TIME_SLACK_SECONDS:
                return None
            return found if is_running(found) else None
        except psutil.NoSuchProcess:
            return None

    def is_alive(self) -> bool:
        """Return whether exactly this process still runs."""
        return self.process() is not None


class ManagedProcess:
    """A process in a session of its own, so that it and all its children can be signalled together.

    With a `record_path` it can be found again by another Python process (`make down` stops what
    `make up` started).
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log_path: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        record_path: Path | None = None,
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._argv = [str(part) for part in argv]
        self._env = env
        self._cwd = cwd
        self._record_path = record_path
        self._child: subprocess.Popen[bytes] | None = None
        self._record = ProcessRecord.read(record_path) if record_path else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    @property
    def pid(self) -> int | None:
        """The process id of the leader, while it is alive."""
        return self._record.pid if self._record and self.is_alive() else None

    @property
    def exit_code(self) -> int | None:
        """The exit code, known only to the process that started this one."""
        return self._child.poll() if self._child else None

    def is_alive(self) -> bool:
        """Return whether the leader runs."""
        if self._child is not None:
            self._child.poll()  # reaps it, so that its pid is not held by a zombie of ours
        return self._record is not None and self._record.is_alive()

    def start(self) -> None:
        """Start the process, unless it already runs."""
        if self.is_alive():
            return
        self.terminate()  # children of a killed leader may still hold its port
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._child = adopt(
                subprocess.Popen(
                    self._argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=None if self._env is None else dict(self._env),
                    cwd=self._cwd,
                    start_new_session=True,
                )
            )
        self._record = ProcessRecord.of(self._child.pid)
        if self._record_path is not None:
            self._record.write(self._record_path)

    def wait_ready(
        self, probe: Callable[[], bool], *, timeout_seconds: float, poll_seconds: float = _POLL_SECONDS
    ) -> None:
        """Wait until the probe says yes; fail with the end of the log when the process dies."""
        deadline = time.monotonic() + timeout_seconds
        while not probe():
            if not self.is_alive():
                raise ProcessFailedError(self._failure(f"ended (exit code {self.exit_code}) before it was ready"))
            if time.monotonic() > deadline:
                raise ProcessFailedError(self._failure(f"was not ready after {timeout_seconds:g} s"))
            time.sleep(poll_seconds)

    def terminate(self, *, grace_seconds: float = 10.0) -> None:
        """Ask the group to stop, then kill what is left of it."""
        self._signal(signal.SIGTERM)
        if not self._wait_ended(grace_seconds):
            self._signal(signal.SIGKILL)
            self._wait_ended(grace_seconds)
        self._forget()

    def kill(self) -> None:
        """Kill the whole group at once, as a crash would."""
        self._signal(signal.SIGKILL)
        self._wait_ended(5.0)
        self._forget()

    def log_tail(self, lines: int = _LOG_TAIL_LINES) -> str:
        """Return the last lines of the log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _failure(self, what: str) -> str:
        return f"{self.name} {what}. Its log, {self.log_path}, ends with:\n{self.log_tail()}"

    def _forget(self) -> None:
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(1.0)
        if self._record_path is not None:
            self._record_path.unlink(missing_ok=True)
        self._record = None

    def _signal(self, number: signal.Signals) -> None:
        for member in self._members():
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                member.send_signal(number)

    def _wait_ended(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        while any(True for _ in self._members()):
            if self._child is not None:
                self._child.poll()
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _members(self) -> Iterator[psutil.Process]:
        """Return the living processes of the session that the leader opened.

        The kernel gives no new process an id that still names a session, so while the leader's id belongs to
        a younger process the old session is empty, and nothing may be signalled.
        """
        if self._record is None:
            return
        leader = self._record.pid
        if not self._record.is_alive() and _is_another_process(self._record):
            return
        for candidate in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
                if os.getsid(candidate.pid) == leader and is_running(candidate):
                    yield candidate


def is_running(process: psutil.Process) -> bool:
    """Return whether the process runs: a zombie does not, unless only its first thread has ended: the others may still
    hold a port."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    except psutil.NoSuchProcess:
        return False


def _is_another_process(record: ProcessRecord) -> bool:
    try:
        created_at = psutil.Process(record.pid).create_time()
    except psutil.NoSuchProcess:
        return False
    return abs(created_at - record.created_at) > _CREATE_TIME_SLACK_SECONDS
