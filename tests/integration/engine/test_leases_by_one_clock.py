"""Workers on machines whose clocks differ: their leases are of the same length, and nobody takes another's early."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from fiatrails.engine.claim import claim
from fiatrails.engine.database_clock import DatabaseClock
from fiatrails.engine.loop import Loop
from fiatrails.engine.models import Heartbeat
from fiatrails.kernel.clock import SystemClock
from fiatrails.operations import worker
from fiatrails.providers.core.models import Payment
from tests.conftest import SteppedClock
from tests.integration.engine.test_claims import make_due

pytestmark = pytest.mark.django_db(transaction=True)
LEASE = timedelta(seconds=30)


class Ahead:
    """A machine's clock that is wrong by some minutes."""

    def __init__(self, minutes: float) -> None:
        self.by = timedelta(minutes=minutes)

    def now(self) -> datetime:
        """The wrong time."""
        return datetime.now(UTC) + self.by


def measured(minutes: float) -> DatabaseClock:
    clock = DatabaseClock(Ahead(minutes))
    clock.measure()
    return clock


def take(clock: DatabaseClock) -> list[Payment]:
    return claim(Payment, now=clock.now(), lease=LEASE, limit=10)


def test_a_worker_ten_minutes_ahead_that_dies_leaves_a_lease_of_thirty_seconds() -> None:
    make_due(1, SteppedClock(datetime.now(UTC)))
    [row] = take(measured(10))
    assert row.lease_until is not None
    assert row.lease_until <= datetime.now(UTC) + LEASE + timedelta(seconds=1)


def test_a_worker_ten_minutes_ahead_takes_nothing_that_another_has_just_claimed() -> None:
    make_due(1, SteppedClock(datetime.now(UTC)))
    assert len(take(measured(0))) == 1
    assert take(measured(10)) == []
    assert take(measured(-10)) == []


def test_a_loop_measures_before_its_first_step() -> None:
    clock, stop, seen = DatabaseClock(Ahead(10)), threading.Event(), list[datetime]()

    def step() -> int:
        seen.append(clock.now())
        stop.set()
        return 1

    Loop("clock@test", step, 1, clock).run(stop=stop, wake=threading.Event())
    assert abs(seen[0] - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_worker_gives_its_loops_the_databases_time(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def loops_of(_holder: str, *, clock: object) -> list[Loop]:
        given.append(clock)
        return []

    monkeypatch.setattr(worker, "loops_of", loops_of)
    stop = threading.Event()
    stop.set()
    worker.run(clock=SystemClock(), stop=stop)
    assert isinstance(given[0], DatabaseClock)
    assert not Heartbeat.objects.exists()
