"""When to stop asking an endpoint for a while. Pure; the caller brings a monotonic time in seconds."""

from __future__ import annotations

import threading

FAILURES_TO_OPEN = 3
FIRST_PAUSE_S = 1.0
# Short, because the rail has to settle within a lease plus five seconds once an endpoint is back.
LONGEST_PAUSE_S = 4.0


class Breaker:
    """Opens after consecutive transport failures, lets one call through after the pause, closes on an answer.

    Kept per endpoint *and* method: an endpoint that tells its height may fail at everything else. A JSON-RPC error is
    an answer and closes it (errors are answers: an endpoint that refuses a transaction is well).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0

    def is_open(self, at: float) -> bool:
        """Return whether calls should go elsewhere at this time."""
        with self._lock:
            return at < self._open_until

    def record_answer(self) -> None:
        """Record that the endpoint gave an answer, be it an error."""
        with self._lock:
            self._failures = 0
            self._open_until = 0.0

    def record_failure(self, at: float) -> None:
        """Record that the endpoint gave no answer."""
        with self._lock:
            self._failures += 1
            excess = self._failures - FAILURES_TO_OPEN
            if excess >= 0:
                self._open_until = at + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(excess, 8))
