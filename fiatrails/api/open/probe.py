"""Asking something that may hang, without hanging."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from django.db import Error as DatabaseError
from django.db import connections

from fiatrails.chains.core.holds import ChainHold
from fiatrails.engine.postgres.errors import explain, in_words
from fiatrails.kernel.errors import FiatRailsError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`state` is healthy, unhealthy or disabled; `value` and `held` are what else the check learned; `reason` a stable
    word for why it is unhealthy, perhaps with what it is about: anybody may read it."""

    state: str
    latency_ms: float | None = None
    value: int | None = None
    held: tuple[ChainHold, ...] = ()
    reason: str = ""


UNKNOWN = ProbeResult("unhealthy", reason="no_answer_in_time")


class Probe:
    """Runs `check` on a thread of its own, at most one at a time, and remembers the result for `fresh_for_s`.

    A check that hangs is waited for by nobody longer than asked, and is not started a second time meanwhile.
    """

    def __init__(self, name: str, check: Callable[[], ProbeResult], *, fresh_for_s: float) -> None:
        self._name = name
        self._check = check
        self._fresh_for_s = fresh_for_s
        self._lock = threading.Lock()
        self._done: threading.Event | None = None
        self._result = UNKNOWN
        self._found_at = float("-inf")

    def start(self) -> None:
        """Start the check unless its last result is fresh or it is running."""
        with self._lock:
            if self._done is None and time.monotonic() - self._found_at >= self._fresh_for_s:
                self._done = threading.Event()
                threading.Thread(target=self._run, args=(self._done,), name=f"probe-{self._name}", daemon=True).start()

    def result(self, *, deadline: float) -> ProbeResult:
        """Return the last result; UNKNOWN when the running check does not end before `deadline` (monotonic seconds)."""
        with self._lock:
            running = self._done
        if running is not None and not running.wait(max(0.0, deadline - time.monotonic())):
            return UNKNOWN
        return self._result

    def _run(self, done: threading.Event) -> None:
        started = time.monotonic()
        try:
            found = self._check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "unhealthy"
            reason, said = _cause(error)
            log.warning("health.failed", check=self._name, reason=reason, error=said)
            found = ProbeResult("unhealthy", reason=reason)
        finally:
            connections.close_all()
        if found.latency_ms is None and found.state == "healthy":
            found = replace(found, latency_ms=round((time.monotonic() - started) * 1000, 1))
        with self._lock:
            self._result, self._found_at, self._done = found, time.monotonic(), None
        done.set()


def _cause(error: Exception) -> tuple[str, str]:
    """Return the word for everybody, and what was said, for the log."""
    if isinstance(error, DatabaseError):
        return explain(error).code, in_words(error)
    if isinstance(error, FiatRailsError):
        return error.code, error.message
    return "check_failed", f"{type(error).__name__}: {error}"
