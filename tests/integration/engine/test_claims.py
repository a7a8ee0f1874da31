"""Claims and leases, on a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from fiatrails.engine.claim import claim, still_mine
from fiatrails.engine.periodic import Job, run_due
from fiatrails.providers.core.models import InboxEvent, Payment
from tests.conftest import SteppedClock

pytestmark = pytest.mark.django_db(transaction=True)
LEASE = timedelta(seconds=30)


def make_due(count: int, clock: SteppedClock) -> None:
    events = InboxEvent.objects.bulk_create(
        InboxEvent(
            provider="mpesa",
            kind="payment",
            channel="c2b",
            event_key=f"e{n}",
            digest=b"d",
            raw=b"r",
            received_at=clock.now(),
            state="processed",
        )
        for n in range(count)
    )
    Payment.objects.bulk_create(
        Payment(event=event, provider="mpesa", state="received", due_at=clock.now()) for event in events
    )


def take(clock: SteppedClock, limit: int = 10) -> list[Payment]:
    return claim(Payment, now=clock.now(), lease=LEASE, limit=limit)


def test_many_workers_at_once_never_claim_the_same_row(clock: SteppedClock) -> None:
    make_due(100, clock)

    def work(_: int) -> list[int]:
        try:
            return [row.pk for row in take(clock)]
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as threads:
        claimed = [pk for pks in threads.map(work, range(20)) for pk in pks]
    assert len(claimed) == len(set(claimed)) == 100


def test_a_claimed_row_is_left_alone_until_its_lease_lapses(clock: SteppedClock) -> None:
    make_due(1, clock)
    [first] = take(clock)
    clock.advance(seconds=29)
    assert take(clock) == []
    clock.advance(seconds=2)
    [second] = take(clock)
    assert second.fence == first.fence + 1


def test_whoever_was_overtaken_finds_nothing_to_be_his(clock: SteppedClock) -> None:
    from django.db import transaction

    make_due(2, clock)
    slow = take(clock)
    clock.advance(seconds=31)
    fast = take(clock)
    with transaction.atomic():
        assert still_mine(Payment, slow) == []
        assert len(still_mine(Payment, fast)) == 2


def test_the_server_ends_sessions_that_stop_inside_a_transaction() -> None:
    """Else a frozen worker keeps its row locks past its lease, and SKIP LOCKED passes those rows over for ever."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone()[0] == "5s"
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone()[0] == "10s"


def test_a_periodic_slot_runs_once_over_all_workers(clock: SteppedClock) -> None:
    runs: list[int] = []
    job = Job("count", 60, lambda _: str(runs.append(1)))

    def work(_: int) -> None:
        run_due([job], clock=clock)
        connection.close()

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(work, range(10)))
    assert len(runs) == 1
    clock.advance(seconds=60)
    run_due([job], clock=clock)
    assert len(runs) == 2


def test_a_periodic_job_that_fails_is_recorded_and_runs_again(clock: SteppedClock) -> None:
    from fiatrails.engine.models import PeriodicRun

    def fail(_: object) -> str:
        raise ValueError("no")

    run_due([Job("bad", 60, fail)], clock=clock)
    assert PeriodicRun.objects.get().outcome == "failed: ValueError: no"
    clock.advance(seconds=60)
    assert run_due([Job("bad", 60, fail)], clock=clock) == 1
