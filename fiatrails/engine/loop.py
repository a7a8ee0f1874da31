"""A worker's loop: steps while there is work, sleeps until woken or until the sweep is due, survives outages."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from fiatrails.engine.database_clock import DatabaseClock
from fiatrails.engine.heartbeat import beat
from fiatrails.engine.postgres.errors import in_words
from fiatrails.kernel import statements
from fiatrails.kernel.clock import Clock

log = structlog.get_logger(__name__)
BEAT_EVERY_S = 5.0
MAX_PAUSE_S = 5.0


@dataclass(slots=True)
class Loop:
    """`step()` does a bounded piece of work and returns how much it did; 0 lets the loop sleep for `sweep_s`."""

    name: str
    step: Callable[[], int]
    sweep_s: float
    clock: Clock
    statement_s: float = statements.PASS_S

    def run(self, *, stop: threading.Event, wake: threading.Event) -> None:
        """Run until `stop` is set. An error is logged and the step tried again after a growing pause: rows are the
        truth, so nothing is lost by trying again."""
        with statements.limited(self.statement_s):
            self._run(stop, wake)

    def _run(self, stop: threading.Event, wake: threading.Event) -> None:
        pause, last_beat = 0.0, 0.0
        while not stop.is_set():
            wake.clear()
            try:
                last_beat = self._beat(last_beat)
                done = self.step()
                pause = 0.0
            except Exception as error:  # noqa: BLE001 - a loop outlives every error
                pause = min(MAX_PAUSE_S, pause * 2 or 0.2)
                self._recover(error, pause)
                stop.wait(pause)
                continue
            if not done:
                wake.wait(self.sweep_s)
        connection.close()

    def _beat(self, last: float) -> float:
        if abs(self.clock.now().timestamp() - last) < BEAT_EVERY_S:
            return last
        if isinstance(self.clock, DatabaseClock):
            self.clock.measure()
        now = self.clock.now()
        beat(self.name, now=now)
        return now.timestamp()

    def _recover(self, error: Exception, pause: float) -> None:
        if isinstance(error, DatabaseError):
            log.warning("loop.database_error", loop=self.name, error=in_words(error), pause_s=pause)
        else:
            log.error("loop.error", loop=self.name, pause_s=pause, exc_info=error)
        # The connection may be broken in a way that only a new one cures, and that closing it stumbles over.
        with contextlib.suppress(Exception):
            connection.close()


def run_all(loops: list[Loop], *, stop: threading.Event, wakes: list[threading.Event]) -> None:
    """Run one thread per loop, each with its own database connection; return when all have stopped."""
    threads = [
        threading.Thread(target=loop.run, kwargs={"stop": stop, "wake": wake}, name=loop.name)
        for loop, wake in zip(loops, wakes, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
