"""Carries callbacks to whoever gave a URL: once, often, late, in disorder or never."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sandbox.mpesa.faults import Faults
from sandbox.mpesa.scheduler import Scheduler
from sandbox.mpesa.wire import Answer, post

_LOG_LENGTH = 10_000
_LONGEST_HOLD_S = 3.0


class Courier:
    """Daraja has no retry schedule, so a callback is tried once: what is lost stays lost."""

    def __init__(self, faults: Faults, scheduler: Scheduler) -> None:
        self._faults = faults
        self._scheduler = scheduler
        self._lock = threading.Lock()
        self._held: list[Callable[[], object]] = []
        self._batch = 0
        self._log: deque[dict[str, Any]] = deque(maxlen=_LOG_LENGTH)

    def send(self, *, kind: str, key: str, url: str, body: dict[str, Any]) -> None:
        """Send a callback in the background, through whatever faults are on."""
        if not self._faults.hits_kind(kind):
            self._scheduler.after(0, lambda: self.deliver(kind=kind, key=key, url=url, body=body))
            return
        if self.is_lost(kind=kind, key=key, url=url):
            return
        for _ in range(1 + self._faults.number("duplicate")):
            self._dispatch(lambda: self.deliver(kind=kind, key=key, url=url, body=body))

    def deliver(self, *, kind: str, key: str, url: str, body: dict[str, Any], timeout_s: float = 10) -> Answer:
        """Post a body now and note what the receiver said."""
        return self.deliver_raw(kind=kind, key=key, url=url, raw=json.dumps(body).encode(), timeout_s=timeout_s)

    def deliver_raw(
        self,
        *,
        kind: str,
        key: str,
        url: str,
        raw: bytes,
        headers: dict[str, str] | None = None,
        timeout_s: float = 10,
    ) -> Answer:
        """Post exact bytes now and note what the receiver said."""
        answer = post(url, raw, headers=headers, timeout_s=timeout_s)
        self._note(kind=kind, key=key, url=url, outcome="answered" if answer.status else "failed", answer=answer)
        return answer

    def is_lost(self, *, kind: str, key: str, url: str) -> bool:
        """Decide whether this callback never leaves, and note it if so."""
        lost = self._faults.hits_kind(kind) and self._faults.strikes("lose")
        if lost:
            self._note(kind=kind, key=key, url=url, outcome="lost", answer=Answer(None, "lost on purpose"))
        return lost

    def log(self, key: str | None) -> list[dict[str, Any]]:
        """Return what was sent, oldest first; `key` is a receipt or a checkout or conversation id."""
        with self._lock:
            return [entry for entry in self._log if key is None or entry["key"] == key]

    def _dispatch(self, job: Callable[[], object]) -> None:
        window = self._faults.number("reorder")
        if window < 2:
            self._scheduler.after(self._faults.jitter_s(), job)
            return
        with self._lock:
            self._held.append(job)
            held, batch = len(self._held), self._batch
        if held >= window:
            self._release(batch)
        elif held == 1:
            # A window that never fills must not hold callbacks for ever.
            self._scheduler.after(_LONGEST_HOLD_S, lambda: self._release(batch))

    def _release(self, batch: int) -> None:
        with self._lock:
            if batch != self._batch:
                return
            self._batch += 1
            held, self._held = self._held, []
        self._faults.shuffle(held)
        delay_s = self._faults.jitter_s()
        for place, job in enumerate(held):
            # Spaced, so that the new order is also the order of arrival.
            self._scheduler.after(delay_s + place * 0.02, job)

    def _note(self, *, kind: str, key: str, url: str, outcome: str, answer: Answer) -> None:
        entry = {"kind": kind, "key": key, "url": url, "outcome": outcome, "at": time.time(), **answer.view()}
        with self._lock:
            self._log.append(entry)
