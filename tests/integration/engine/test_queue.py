"""Queues on a real PostgreSQL: whatever a step raises stays with the row that it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from django.db import OperationalError

from fiatrails.controls.modes import Flow
from fiatrails.engine.claim import still_mine
from fiatrails.engine.dead_letters import Work
from fiatrails.engine.models import DeadLetter
from fiatrails.engine.queue import Queue, run
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import OutsideUnknown, StaleFence, Unavailable
from fiatrails.purchases.models import Purchase
from tests.conftest import SteppedClock

pytestmark = pytest.mark.django_db(transaction=True)
Made = Callable[[int], list[Purchase]]


@pytest.fixture
def rows(clock: SteppedClock) -> Made:
    """Makes due rows."""

    def make(count: int) -> list[Purchase]:
        return [
            Purchase.objects.create(
                intent_id=f"0x{n:064x}", tx_ref=f"TX-{n}", client="a",
                fiat_currency="KES", fiat_expected=100, state="awaiting_payment",
                created_at=clock.now(), expires_at=clock.now(), due_at=clock.now(),
            )
            for n in range(count)
        ]  # fmt: skip

    return make


class Steps:
    """A step that is told what to raise for which row, and remembers the batches that it was given."""

    def __init__(self, **errors: Exception) -> None:
        self.errors = errors
        self.batches: list[list[str]] = []

    def __call__(self, rows: Sequence[Purchase], tools: None) -> None:
        self.batches.append([row.tx_ref for row in rows])
        for row in rows:
            if (error := self.errors.get(row.tx_ref.replace("-", "_"))) is not None:
                raise error
        for row in still_mine_outside(rows):
            row.due_at = row.lease_until = None
            row.reason = "moved"
            row.save()


def still_mine_outside(rows: Sequence[Purchase]) -> list[Purchase]:
    from django.db import transaction

    with transaction.atomic():
        return still_mine(Purchase, rows)


def queue(step: Steps, **changes: object) -> Queue[Purchase, None]:
    values: dict[str, object] = {
        "name": "tests", "model": Purchase, "condition": "", "step": step, "metric": "provider_call",
        "work": lambda row: Work("testWork", row.tx_ref, {"n": 1}),
    }  # fmt: skip
    return Queue(**(values | changes))  # type: ignore[arg-type]


def found(tx_ref: str) -> Purchase:
    return Purchase.objects.get(tx_ref=tx_ref)


def test_a_batch_is_moved_by_one_step(rows: Made, clock: SteppedClock) -> None:
    rows(3)
    step = Steps()
    assert run(queue(step), None, clock=clock) == 3
    assert step.batches == [["TX-0", "TX-1", "TX-2"]]
    assert run(queue(step), None, clock=clock) == 0


def test_a_row_with_an_error_nobody_foresaw_does_not_stop_its_neighbours(rows: Made, clock: SteppedClock) -> None:
    rows(3)
    step = Steps(TX_1=ZeroDivisionError("division by zero"))
    assert run(queue(step), None, clock=clock) == 3
    assert [found(f"TX-{n}").reason for n in range(3)] == ["moved", "", "moved"]
    bad = found("TX-1")
    assert (bad.attempts, bad.lease_until, bad.last_error) == (1, None, "ZeroDivisionError: division by zero")
    assert bad.due_at is not None


def test_a_row_that_is_out_of_attempts_is_given_up_with_its_cause(rows: Made, clock: SteppedClock) -> None:
    rows(2)
    step = Steps(TX_0=KeyError("a field"))
    for _ in range(8):
        run(queue(step), None, clock=clock)
        clock.advance(seconds=61)
    letter = DeadLetter.objects.get()
    assert (letter.operation, letter.subject, letter.attempts, letter.payload) == ("testWork", "TX-0", 8, {"n": 1})
    assert letter.last_error == "KeyError: 'a field'"
    assert (found("TX-0").due_at, run(queue(step), None, clock=clock)) == (None, 0)


def test_a_lasting_row_opens_its_dead_letter_at_once_and_is_never_given_up(rows: Made, clock: SteppedClock) -> None:
    rows(1)
    lasting = queue(Steps(TX_0=KeyError("a field")), lasting=True)
    for attempts in range(1, 12):
        assert run(lasting, None, clock=clock) == 1
        letter = DeadLetter.objects.get()
        assert (letter.attempts, letter.error_class, found("TX-0").attempts) == (attempts, "permanent", attempts)
        clock.advance(seconds=61)


def test_a_mode_that_holds_a_lasting_row_back_opens_no_dead_letter(rows: Made, clock: SteppedClock) -> None:
    rows(1)
    held_back = Unavailable("maintenance_mode", "not now", retry_after=1)
    run(queue(Steps(TX_0=held_back), lasting=True), None, clock=clock)
    assert (found("TX-0").attempts, DeadLetter.objects.count()) == (0, 0)


def test_an_outage_is_asked_about_three_times_and_not_once_for_each_row(rows: Made, clock: SteppedClock) -> None:
    rows(10)
    away = OutsideUnknown("rpc_no_answer", "no endpoint answered")
    step = Steps(**{f"TX_{n}": away for n in range(10)})
    run(queue(step), None, clock=clock)
    assert [len(batch) for batch in step.batches] == [10, 1, 1]
    assert {row.attempts for row in Purchase.objects.all()} == {1}
    assert {row.last_error for row in Purchase.objects.all()} == {"rpc_no_answer: no endpoint answered"}


def test_one_row_without_an_answer_does_not_hold_up_the_others(rows: Made, clock: SteppedClock) -> None:
    rows(5)
    step = Steps(TX_2=OutsideUnknown("registry_unknown", "of no use"))
    run(queue(step), None, clock=clock)
    assert [found(f"TX-{n}").reason for n in range(5)] == ["moved", "moved", "", "moved", "moved"]


def test_one_by_one_asks_for_every_row_whatever_the_others_said(rows: Made, clock: SteppedClock) -> None:
    rows(4)
    pending = OutsideUnknown("push_pending", "still processing")
    step = Steps(TX_0=pending, TX_1=pending, TX_2=pending)
    run(queue(step, one_by_one=True), None, clock=clock)
    assert [len(batch) for batch in step.batches] == [1, 1, 1, 1]
    assert found("TX-3").reason == "moved"


def test_what_is_held_back_meanwhile_costs_no_attempt(rows: Made, clock: SteppedClock) -> None:
    rows(2)
    step = Steps(TX_0=Unavailable("degraded", "the chain cannot be reached"))
    for _ in range(20):
        run(queue(step), None, clock=clock)
        clock.advance(seconds=1)
    assert ({row.attempts for row in Purchase.objects.all()}, DeadLetter.objects.count()) == ({0}, 0)


def test_a_mode_is_asked_before_anything_is_claimed(
    rows: Made, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(2)
    step = Steps()
    monkeypatch.setenv("READ_ONLY", "1")
    assert run(queue(step, flow=Flow.CLEAR), None, clock=clock) == 0
    assert (step.batches, {row.fence for row in Purchase.objects.all()}) == ([], {0})
    monkeypatch.delenv("READ_ONLY")
    assert run(queue(step, flow=Flow.CLEAR), None, clock=clock) == 2


def test_a_row_that_was_taken_over_is_left_to_its_new_owner(rows: Made, clock: SteppedClock) -> None:
    rows(1)
    step = Steps(TX_0=StaleFence("intent"))
    run(queue(step), None, clock=clock)
    row = found("TX-0")
    assert (row.attempts, row.last_error, row.lease_until) == (
        0,
        "",
        clock.now() + timedelta(seconds=profile().timeouts.lease_s),
    )


def test_a_row_taken_over_while_it_failed_is_not_written(rows: Made, clock: SteppedClock) -> None:
    rows(1)

    class Overtaken(Steps):
        def __call__(self, rows: Sequence[Purchase], tools: None) -> None:
            Purchase.objects.update(fence=99)
            raise ValueError("too late")

    run(queue(Overtaken()), None, clock=clock)
    assert (found("TX-0").attempts, found("TX-0").fence) == (0, 99)


def test_a_lost_connection_is_raised_to_the_loop(rows: Made, clock: SteppedClock) -> None:
    rows(2)
    step = Steps(TX_0=OperationalError("server closed the connection"))
    with pytest.raises(OperationalError):
        run(queue(step), None, clock=clock)
