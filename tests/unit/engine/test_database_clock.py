"""The workers' clock: the database's time, carried by a steady clock in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from fiatrails.engine.database_clock import DatabaseClock

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


class Times:
    """A machine whose clock is off, a database whose clock is right, and a line between them."""

    def __init__(self, *, machine_ahead_s: float = 0.0, answer_takes_s: float = 0.0) -> None:
        self.steady = 1000.0
        self.machine_ahead_s = machine_ahead_s
        self.answer_takes_s = answer_takes_s
        self.clock = DatabaseClock(self, ask=self.ask, steady_s=lambda: self.steady)

    @property
    def truth(self) -> datetime:
        return NOON + timedelta(seconds=self.steady - 1000)

    def now(self) -> datetime:
        """The machine's clock."""
        return self.truth + timedelta(seconds=self.machine_ahead_s)

    def ask(self) -> datetime:
        self.steady += self.answer_takes_s / 2
        answered = self.truth
        self.steady += self.answer_takes_s / 2
        return answered

    def error_s(self) -> float:
        return abs((self.clock.now() - self.truth).total_seconds())


@pytest.mark.parametrize("ahead_s", [-3600.0, -1.0, 0.0, 600.0])
def test_a_machine_whose_clock_is_off_keeps_the_databases_time(ahead_s: float) -> None:
    times = Times(machine_ahead_s=ahead_s, answer_takes_s=0.02)
    times.clock.measure()
    assert times.error_s() < 0.001
    times.steady += 5
    assert times.error_s() < 0.001


def test_setting_the_machines_clock_moves_nothing() -> None:
    times = Times()
    times.clock.measure()
    times.machine_ahead_s = 86_400
    assert times.error_s() < 0.001


def test_before_the_first_measurement_it_is_the_machines_clock() -> None:
    times = Times(machine_ahead_s=7)
    assert times.clock.now() == times.now()


def test_a_slow_answer_changes_nothing_that_was_known() -> None:
    times = Times(answer_takes_s=0.002)
    times.clock.measure()
    times.clock._ask = lambda: times.ask() - timedelta(seconds=3)
    times.answer_takes_s = 8
    times.clock.measure()
    assert times.error_s() < 0.01


def test_time_does_not_step_with_each_measurement_but_follows_a_change() -> None:
    times = Times(answer_takes_s=0.1)
    times.clock.measure()
    before = times.clock._measured
    times.clock._ask = lambda: times.ask() + timedelta(seconds=0.04)
    times.clock.measure()
    assert times.clock._measured is before
    times.clock._ask = lambda: times.ask() + timedelta(seconds=2)
    times.clock.measure()
    assert 1.9 < (times.clock.now() - times.truth).total_seconds() < 2.1


def test_a_machine_that_differs_is_said_once() -> None:
    times = Times(machine_ahead_s=600)
    with capture_logs() as lines:
        for _ in range(3):
            times.clock.measure()
    assert [(line["event"], line["machine_ahead_s"]) for line in lines] == [("clock.differs", 600.0)]
