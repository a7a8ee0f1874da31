"""The clock of whoever takes leases: the database's, which all of them share.

A lease is a time that one machine writes and others compare with their own. The leases of a machine ten minutes ahead
would outlive it by ten minutes, and those of the others would seem to it to have ended. So workers keep the database's
time: it is asked for every few seconds, and a steady clock, which nobody sets, carries it in between.

This is the one place that asks the database for the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import connection

from fiatrails.kernel.clock import Clock

log = structlog.get_logger(__name__)
# How far a machine's clock may be from the database's before it is said. Leases do not depend on it.
DIFFERS_FROM_S = 5.0
# An answer that took longer says too little about when it was given.
_ROUND_TRIP_MAX_S = 1.0


def _steady_s() -> float:
    """Return seconds of a clock that nobody sets and that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def read() -> datetime:
    """Return the database's time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


@dataclass(frozen=True, slots=True)
class Measured:
    """What the database's clock showed when the steady one showed `steady_s`, give or take `within_s`."""

    at: datetime
    steady_s: float
    within_s: float


class DatabaseClock:
    """The database's time; the machine's until it was measured once. Safe to share between threads."""

    def __init__(
        self, machine: Clock, *, ask: Callable[[], datetime] = read, steady_s: Callable[[], float] = _steady_s
    ) -> None:
        self._machine = machine
        self._ask = ask
        self._steady_s = steady_s
        self._measured: Measured | None = None
        self._said_s = 0.0

    def now(self) -> datetime:
        """Return the present moment, aware, UTC."""
        measured = self._measured
        if measured is None:
            return self._machine.now()
        return measured.at + timedelta(seconds=self._steady_s() - measured.steady_s)

    def measure(self) -> None:
        """Ask the database for its time. A slow answer is not taken, nor one that says the same within its error: time
        must not step with every measurement."""
        before = self._steady_s()
        answered = self._ask()
        took = self._steady_s() - before
        if took > _ROUND_TRIP_MAX_S and self._measured is not None:
            return
        found = Measured(answered, before + took / 2, took / 2)
        error_s = abs((self._at(found.steady_s) - found.at).total_seconds())
        if self._measured is None or error_s > found.within_s + self._measured.within_s:
            self._measured = found
        self._say()

    def _at(self, steady_s: float) -> datetime:
        return self.now() - timedelta(seconds=self._steady_s() - steady_s)

    def _say(self) -> None:
        """Log that this machine's clock differs, when it begins to and when it changes."""
        differs_s = (self._machine.now() - self.now()).total_seconds()
        if abs(differs_s - self._said_s) > DIFFERS_FROM_S:
            log.warning("clock.differs", machine_ahead_s=round(differs_s, 1), advice="synchronise the clock (NTP)")
            self._said_s = differs_s
