"""Carry webhooks to whoever gave a URL: once, often, late, in disorder or never."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.kit.faults import Faults
from sandbox.kit.log import Log
from sandbox.kit.scheduler import Scheduler
from sandbox.kit.wire import Answer, post

LOST = Answer(None, "lost on purpose")
_LONGEST_HOLD_S = 3.0


class Courier:
    """Sends webhooks through the faults that are on, and logs every delivery. `agent` is its User-Agent.

    `send` tries once, so what is lost stays lost; `notices` tries until the receiver accepts.
    """

    def __init__(self, agent: str, faults: Faults, scheduler: Scheduler, deliveries: Log) -> None:
        self._headers = {"Content-Type": "application/json", "User-Agent": agent}
        self._faults = faults
        self._scheduler = scheduler
        self._deliveries = deliveries
        self._lock = threading.Lock()
        self._held: list[Callable[[], object]] = []
        self._batch = 0

    def send(self, *, kind: str, key: str, url: str, body: dict[str, Any]) -> None:
        """Send a webhook once, in the background, through the faults that are on."""
        if self.is_lost(kind=kind, key=key, url=url):
            return
        for _ in range(self.copies(kind)):
            self.dispatch(kind, lambda: self.deliver(kind=kind, key=key, url=url, body=body))

    def deliver(self, *, kind: str, key: str, url: str, body: dict[str, Any], timeout_s: float = 10) -> Answer:
        """Post a body now and return what the receiver answered."""
        return self.deliver_raw(kind=kind, key=key, url=url, raw=json.dumps(body).encode(), timeout_s=timeout_s)

    def deliver_raw(
        self,
        *,
        kind: str,
        key: str,
        url: str,
        raw: bytes,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10,
    ) -> Answer:
        """Post exact bytes now and return what the receiver answered."""
        answer = post(url, raw, headers={**self._headers, **(headers or {})}, timeout_s=timeout_s)
        self._log(kind=kind, key=key, url=url, outcome="answered" if answer.status else "failed", answer=answer)
        return answer

    def is_lost(self, *, kind: str, key: str, url: str) -> bool:
        """Decide whether this webhook never leaves, and log it if so."""
        lost = self._faults.hits_kind(kind) and self._faults.strikes("lose")
        if lost:
            self._log(kind=kind, key=key, url=url, outcome="lost", answer=LOST)
        return lost

    def copies(self, kind: str) -> int:
        """Return how many times a webhook is sent: once, and once more for every duplicate."""
        return 1 + (self._faults.number("duplicate") if self._faults.hits_kind(kind) else 0)

    def delay_s(self, kind: str) -> float:
        """Draw how late a webhook leaves."""
        return self._faults.delay_s() if self._faults.hits_kind(kind) else 0.0

    def dispatch(self, kind: str, job: Callable[[], object]) -> None:
        """Run a job that delivers, late or in another order when faults say so."""
        window = self._faults.number("reorder")
        if window < 2 or not self._faults.hits_kind(kind):
            self._scheduler.after(self.delay_s(kind), job)
            return
        with self._lock:
            self._held.append(job)
            held, batch = len(self._held), self._batch
        if held >= window:
            self._release(batch)
        elif held == 1:
            # A window that never fills must not hold webhooks for ever.
            self._scheduler.after(_LONGEST_HOLD_S, lambda: self._release(batch))

    def _release(self, batch: int) -> None:
        with self._lock:
            if batch != self._batch:
                return
            self._batch += 1
            held, self._held = self._held, []
        self._faults.shuffle(held)
        delay_s = self._faults.delay_s()
        for place, job in enumerate(held):
            # Spaced, so that the new order is also the order of arrival.
            self._scheduler.after(delay_s + place * 0.02, job)

    def _log(self, *, kind: str, key: str, url: str, outcome: str, answer: Answer) -> None:
        self._deliveries.add(
            {"kind": kind, "key": key, "url": url, "outcome": outcome, "at": time.time(), **answer.view()}
        )
