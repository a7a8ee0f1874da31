"""Dead letters set going again: by id, by time, by the ten-minute job; and the jobs themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from fiatrails.controls.models import AuditRecord
from fiatrails.engine import dead_letters
from fiatrails.engine.models import DeadLetter, Heartbeat, PeriodicRun
from fiatrails.engine.periodic import run_due
from fiatrails.kernel.errors import Conflict, NotFound, Unavailable
from fiatrails.operations import replay
from fiatrails.operations.jobs import jobs
from fiatrails.providers.core.models import Payment, PaymentState, ProviderRequest, RequestKind, RequestState
from fiatrails.purchases.models import Purchase, Transition
from fiatrails.purchases.payments.record import record_payments
from tests.conftest import SteppedClock
from tests.integration.purchases import stage as acts
from tests.integration.purchases.conftest import paid
from tests.integration.purchases.stage import Stage, fresh, letters

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]


def bury(
    subject: str,
    clock: SteppedClock,
    *,
    operation: str = "checkCompliance",
    error_class: str = "temporary",
    payload: dict[str, Any] | None = None,
) -> str:
    return dead_letters.add(
        operation=operation,
        subject=subject,
        attempts=8,
        last_error="RPC timeout",
        error_class=error_class,
        payload=payload or {},
        now=clock.now(),
    )


@pytest.fixture
def stop(pay_for: Make, clock: SteppedClock) -> Callable[..., tuple[Purchase, str]]:
    """A paid purchase that ran out of attempts, and its dead letter."""

    def make(tx_ref: str, *, error_class: str = "temporary") -> tuple[Purchase, str]:
        purchase = pay_for(tx_ref)
        Purchase.objects.filter(pk=purchase.pk).update(due_at=None, attempts=8, last_error="RPC timeout")
        return fresh(purchase), bury(purchase.intent_id, clock, error_class=error_class)

    return make


def state_of(item_id: str) -> str:
    return str(dead_letters.get(item_id).state)


def test_a_replayed_purchase_is_due_again_with_all_its_attempts(stop: Any, stage: Stage) -> None:
    purchase, item = stop("TX-1")
    result = replay.replay_item(item_id=item, actor="ops", now=stage.clock.now())
    assert (result.restarted, result.closed, result.subject) == (True, True, purchase.intent_id)
    found = fresh(purchase)
    assert (found.due_at, found.attempts, found.last_error) == (stage.clock.now(), 0, "")
    assert state_of(item) == "replayed"
    assert AuditRecord.objects.get().action == "dead_letter.replayed"
    assert Transition.objects.order_by("-pk")[0].detail == "replayed"
    stage.step()
    assert fresh(purchase).state == "cleared"


def test_a_closed_item_is_not_replayed_again(stop: Any, clock: SteppedClock) -> None:
    _, item = stop("TX-1")
    replay.replay_item(item_id=item, actor="ops", now=clock.now())
    with pytest.raises(Conflict, match="dead_letter_closed"):
        replay.replay_item(item_id=item, actor="ops", now=clock.now())
    with pytest.raises(NotFound):
        replay.replay_item(item_id="DL-999999", actor="ops", now=clock.now())


@pytest.mark.parametrize(
    ("state", "paid_minor", "why"),
    [
        ("executed", 1000, "is executed already"),
        ("refunded", 1000, "is refunded already"),
        ("expired", 0, "is expired already"),
        ("submitting", 1000, "owns a nonce"),
        ("mined", 1000, "owns a nonce"),
        ("awaiting_payment", 0, "accept or refund"),
    ],
)
def test_what_has_nothing_to_do_is_closed_as_resolved_and_left_alone(
    stop: Any, clock: SteppedClock, state: str, paid_minor: int, why: str
) -> None:
    purchase, item = stop("TX-1")
    Purchase.objects.filter(pk=purchase.pk).update(state=state, fiat_paid=paid_minor)
    result = replay.replay_item(item_id=item, actor="ops", now=clock.now())
    assert (result.restarted, result.closed, state_of(item)) == (False, True, "resolved")
    assert why in result.why
    assert (fresh(purchase).due_at, fresh(purchase).state) == (None, state)


def test_an_item_of_no_purchase_is_closed(clock: SteppedClock) -> None:
    item = bury("0x" + "99" * 32, clock)
    assert replay.replay_item(item_id=item, actor="ops", now=clock.now()).restarted is False
    assert state_of(item) == "resolved"


def test_an_item_that_needs_a_decision_gives_advice_and_stays_open(clock: SteppedClock) -> None:
    for operation, words in (("surplusPayment", "payments refund"), ("mintTermsDiffer", "ledger reconcile")):
        item = bury("event:1", clock, operation=operation, error_class="permanent")
        result = replay.replay_item(item_id=item, actor="ops", now=clock.now())
        assert (result.restarted, result.closed, state_of(item)) == (False, False, "open")
        assert words in result.why


def test_since_takes_the_younger_items_only(stop: Any, clock: SteppedClock) -> None:
    old, _ = stop("TX-1")
    since = clock.advance(hours=1)
    young, _ = stop("TX-2")
    items = replay.open_items(since=since)
    assert [item.subject for item in items] == [young.intent_id]
    assert [result.restarted for result in replay.replay_many(items, actor="ops", now=clock.now())] == [True]
    assert letters() == [("checkCompliance", old.intent_id)]
    assert (fresh(old).due_at, fresh(young).due_at) == (None, clock.now())


def test_an_item_that_was_closed_meanwhile_is_reported_and_the_next_one_goes_on(stop: Any, clock: SteppedClock) -> None:
    stop("TX-1"), stop("TX-2")
    items = replay.open_items()
    dead_letters.discard(items[0].item_id, reason="known", actor="other", now=clock.now())
    results = replay.replay_many(items, actor="ops", now=clock.now())
    assert [result.restarted for result in results] == [False, True]
    assert "discarded already" in results[0].why


def test_the_ten_minute_job_replays_what_is_temporary_and_nothing_else(stop: Any, clock: SteppedClock) -> None:
    passing, _ = stop("TX-1")
    lasting, _ = stop("TX-2", error_class="permanent")
    bury("event:1", clock, operation="unmatchedPayment")
    assert replay.retry_temporary(now=clock.now()) == 1
    assert letters("replayed") == [("checkCompliance", passing.intent_id)]
    assert letters() == [("checkCompliance", lasting.intent_id), ("unmatchedPayment", "event:1")]
    assert fresh(lasting).due_at is None


def test_a_mode_that_stops_replays_stops_them_all(stop: Any, clock: SteppedClock, monkeypatch: Any) -> None:
    purchase, item = stop("TX-1")
    monkeypatch.setenv("DEGRADED_MODE", "1")
    with pytest.raises(Unavailable):
        replay.replay_item(item_id=item, actor="ops", now=clock.now())
    assert (state_of(item), fresh(purchase).due_at) == ("open", None)


def test_a_payment_that_could_not_be_confirmed_is_asked_about_again(make_purchase: Make, clock: SteppedClock) -> None:
    make_purchase("TX-1", now=clock.now())
    record_payments([paid("TX-1", 10, trusted=False)], now=clock.now())
    Payment.objects.update(due_at=None, attempts=8)
    event = Payment.objects.get()
    query = ProviderRequest.objects.create(
        provider="mpesa",
        kind=RequestKind.QUERY,
        reference="r",
        dedupe_key="d",
        payment=event,
        details={"attempt": 0},
        created_at=clock.now(),
        state=RequestState.FAILED,
    )
    payload = {"inboxId": event.pk, "eventKey": event.event_key}
    item = bury(f"event:{event.pk}", clock, operation="confirmPayment", payload=payload)
    assert replay.replay_item(item_id=item, actor="ops", now=clock.now()).restarted
    event.refresh_from_db()
    query.refresh_from_db()
    assert (event.due_at, event.attempts, event.state) == (clock.now(), 0, PaymentState.RECEIVED)
    assert query.details["attempt"] is None
    assert state_of(item) == "replayed"


def test_a_request_to_the_provider_goes_on_where_it_stopped(pay_for: Make, clock: SteppedClock) -> None:
    pay_for("TX-1")
    request = ProviderRequest.objects.create(
        provider="mpesa",
        kind=RequestKind.REFUND,
        reference="r",
        dedupe_key="d",
        payment=Payment.objects.get(),
        created_at=clock.now(),
        state=RequestState.UNKNOWN,
        attempts=8,
    )
    item = bury("event:1", clock, operation="mpesa:reversal", payload={"requestId": request.pk})
    assert replay.replay_item(item_id=item, actor="ops", now=clock.now()).restarted
    request.refresh_from_db()
    # Unknown stays unknown: the provider is asked what became of it, nothing is sent a second time.
    assert (request.state, request.due_at, request.attempts) == ("unknown", clock.now(), 0)


def test_of_two_operators_on_one_item_one_wins(stop: Any, clock: SteppedClock) -> None:
    made = [stop(f"TX-{number}") for number in range(8)]
    for purchase, item in made:
        together = threading.Barrier(2)

        def press(actor: str, item: str = item, together: threading.Barrier = together) -> bool:
            try:
                together.wait()
                return replay.replay_item(item_id=item, actor=actor, now=clock.now()).restarted
            except Conflict:
                return False
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(press, ["one", "two"])) == [False, True]
        assert AuditRecord.objects.filter(action="dead_letter.replayed", subject=item).count() == 1
        assert Transition.objects.filter(intent_id=purchase.intent_id, detail="replayed").count() == 1


# -- the periodic jobs -------------------------------------------------------------------------------------------


def outcomes() -> dict[str, str]:
    return dict(PeriodicRun.objects.order_by("pk").values_list("job", "outcome"))


def test_every_job_runs_once_per_slot(clock: SteppedClock, configure: Any, tmp_path: Path) -> None:
    configure(dlq_dir=tmp_path)
    assert run_due(jobs(), clock=clock) == len(jobs())
    assert not [outcome for outcome in outcomes().values() if outcome.startswith("failed")], outcomes()
    assert {"dlq.retry", "dlq.mirror", "payments.alarm_unmatched", "ledger.verify", "engine.forget"} <= set(outcomes())
    assert outcomes()["screening.watch"] == "off"
    assert run_due(jobs(), clock=clock) == 0
    clock.advance(seconds=60)
    assert run_due(jobs(), clock=clock) >= 2


def test_the_jobs_do_what_their_names_say(stop: Any, clock: SteppedClock, configure: Any, tmp_path: Path) -> None:
    configure(dlq_dir=tmp_path)
    purchase, item = stop("TX-1")
    (tmp_path / "item-DL-000777.json").write_text("{}")
    record_payments([paid("TX-STRANGER", 10)], now=clock.now() - timedelta(hours=1))
    Heartbeat.objects.create(name="gone", at=clock.now() - timedelta(days=2))
    PeriodicRun.objects.create(job="old", slot=1, started_at=clock.now() - timedelta(days=31))
    run_due(jobs(), clock=clock)
    assert (state_of(item), fresh(purchase).due_at) == ("replayed", clock.now())
    assert outcomes()["dlq.retry"] == "1 replayed"
    assert outcomes()["payments.alarm_unmatched"] == "1 alarmed"
    assert outcomes()["ledger.verify"] == "ok"
    assert outcomes()["engine.forget"] == "1 heartbeats, 1 runs"
    assert not (tmp_path / "item-DL-000777.json").exists()
    assert [operation for operation, _ in letters()] == ["unmatchedPayment"]


def test_a_broken_ledger_becomes_a_dead_letter(pay_for: Make, clock: SteppedClock) -> None:
    pay_for("TX-1")
    with acts.tampering() as cursor:
        cursor.execute("UPDATE ledger_entry SET memo = 'x'")
    run_due(jobs(), clock=clock)
    assert outcomes()["ledger.verify"] == "broken"
    assert letters() == [("verifyLedger", "")]
    assert "chain broken at 1" in DeadLetter.objects.get().last_error


def test_a_thousand_letters_that_need_a_person_do_not_end_the_retries_of_others(stop: Any, clock: SteppedClock) -> None:
    for number in range(1_000):
        bury(f"event:{number}", clock, operation="unmatchedPayment", error_class="permanent")
    clock.advance(seconds=1)
    purchase, _ = stop("TX-1")
    assert replay.retry_temporary(now=clock.now()) == 1
    assert letters("replayed") == [("checkCompliance", purchase.intent_id)]
    assert len(replay.open_items()) == 1_000


def test_the_alarm_of_an_unmatched_payment_ends_with_its_purchase(make_purchase: Make, clock: SteppedClock) -> None:
    record_payments([paid("TX-STRANGER", 10)], now=clock.now() - timedelta(hours=1))
    run_due(jobs(), clock=clock)
    assert [operation for operation, _ in letters()] == ["unmatchedPayment"]
    make_purchase("TX-STRANGER", now=clock.now())
    assert (letters(), dead_letters.depth()) == ([], 0)
