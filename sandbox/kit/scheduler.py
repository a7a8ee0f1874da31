"""Run jobs later, on a fixed number of threads."""

import heapq
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
Job = Callable[[], object]
_WORKERS = 64  # enough for 50 copies of a webhook to be under way at once

log = logging.getLogger(__name__)


class Scheduler:
    """A timer and its workers. All threads are daemons: what must survive a restart is in the journal."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._wake = threading.Condition()
        self._ready: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def start(self) -> None:
        """Start the threads."""
        threading.Thread(target=self._watch, name="timer", daemon=True).start()
        for number in range(_WORKERS):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    def after(self, seconds: float, job: Job) -> None:
        """Run a job after a delay; jobs due at the same moment start in the order given."""
        if seconds <= 0:
            self._ready.put(job)
            return
        with self._wake:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), job))
            self._wake.notify()

    def _watch(self) -> None:
        with self._wake:
            while True:
                while self._due and self._due[0][0] <= time.monotonic():
                    self._ready.put(heapq.heappop(self._due)[2])
                self._wake.wait(self._due[0][0] - time.monotonic() if self._due else None)

    def _work(self) -> None:
        while True:
            job = self._ready.get()
            try:
                job()
            except Exception:
                log.exception("a scheduled job failed")


def at_once(copies: int, call: Callable[[], T]) -> list[T]:
    """Make the same call several times at the same moment and return every result."""
    results: list[T] = []
    barrier = threading.Barrier(copies)

    def run() -> None:
        barrier.wait()
        results.append(call())

    threads = [threading.Thread(target=run, daemon=True) for _ in range(copies)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
