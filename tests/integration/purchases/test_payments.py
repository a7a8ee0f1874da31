"""Payments meeting purchases, on a real PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from fiatrails.engine import dead_letters
from fiatrails.ledger.verify import equation, verify
from fiatrails.providers.core.inbox import Recorded
from fiatrails.providers.core.models import InboxConflict, Payment, PaymentState
from fiatrails.purchases import decisions
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments.record import record_payments
from tests.conftest import SteppedClock
from tests.integration.purchases.conftest import paid

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Purchase]


def state_of(purchase: Purchase) -> str:
    return Purchase.objects.get(pk=purchase.pk).state


def require_books_to_balance() -> None:
    assert verify().ok
    assert equation("KES").holds


def test_an_exact_payment_pays_the_purchase(make_purchase: Make, clock: SteppedClock) -> None:
    purchase = make_purchase("TX-1", now=clock.now())
    [answer] = record_payments([paid("TX-1", 10)], now=clock.now())
    assert (answer.status, answer.intent_id) == (Recorded.NEW, purchase.intent_id)
    assert state_of(purchase) == "paid"
    require_books_to_balance()
    assert equation("KES").pending == 1000


def test_a_callback_repeated_fifty_times_at_once_pays_once(make_purchase: Make, clock: SteppedClock) -> None:
    purchase = make_purchase("TX-1", now=clock.now())

    def send(_: int) -> Recorded:
        try:
            return record_payments([paid("TX-1", 10)], now=clock.now())[0].status
        finally:
            connection.close()

    with ThreadPoolExecutor(25) as threads:
        answers = list(threads.map(send, range(50)))
    assert sorted(answers) == [Recorded.NEW] + [Recorded.SEEN] * 49
    assert Purchase.objects.get(pk=purchase.pk).fiat_paid == 1000
    require_books_to_balance()
    assert equation("KES").paid == 1000


def test_duplicates_within_one_batch_pay_once(make_purchase: Make, clock: SteppedClock) -> None:
    make_purchase("TX-1", now=clock.now())
    answers = record_payments([paid("TX-1", 10)] * 5, now=clock.now())
    assert [a.status for a in answers] == [Recorded.NEW] + [Recorded.SEEN] * 4
    assert equation("KES").paid == 1000


def test_the_same_event_with_another_amount_is_quarantined(make_purchase: Make, clock: SteppedClock) -> None:
    purchase = make_purchase("TX-1", now=clock.now())
    record_payments([paid("TX-1", 10)], now=clock.now())
    [answer] = record_payments([paid("TX-1", 99, raw=b"other")], now=clock.now())
    assert answer.status is Recorded.CONFLICT
    assert bytes(InboxConflict.objects.get().raw) == b"other"
    assert state_of(purchase) == "paid"
    assert dead_letters.depth() == 1
    require_books_to_balance()


def test_a_payment_that_came_first_waits_for_its_purchase(make_purchase: Make, clock: SteppedClock) -> None:
    [answer] = record_payments([paid("TX-LATER", 10)], now=clock.now())
    assert (answer.status, answer.intent_id) == (Recorded.NEW, None)
    assert equation("KES").suspense == 1000
    purchase = make_purchase("TX-LATER", now=clock.now())
    assert purchase.state == "paid"
    assert Payment.objects.get().state == PaymentState.APPLIED
    assert equation("KES").suspense == 0
    require_books_to_balance()


def test_a_payment_and_its_purchase_at_once_always_meet(make_purchase: Make, clock: SteppedClock) -> None:
    """Race: each could miss the other's uncommitted row; the lock on the txRef forbids it."""

    def pay(ref: str) -> None:
        record_payments([paid(ref, 10)], now=clock.now())
        connection.close()

    def make(ref: str) -> None:
        make_purchase(ref, now=clock.now())
        connection.close()

    refs = [f"TX-{n}" for n in range(30)]
    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(job, ref) for ref in refs for job in (pay, make)]
    for future in futures:
        future.result()
    assert set(Purchase.objects.values_list("state", flat=True)) == {"paid"}
    assert equation("KES").suspense == 0
    require_books_to_balance()


def wait_until_blocked(work: Future[None]) -> None:
    """Returns when another session waits for an advisory lock, or when `work` ended without ever waiting."""
    deadline = time.monotonic() + 10
    while not work.done() and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            if cursor.fetchone()[0]:
                return


def test_a_payment_waits_for_the_purchase_that_is_being_made(make_purchase: Make, clock: SteppedClock) -> None:
    def pay() -> None:
        record_payments([paid("TX-1", 10)], now=clock.now())
        connection.close()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            purchase = make_purchase("TX-1", now=clock.now())
            paying = threads.submit(pay)
            wait_until_blocked(paying)
            assert not paying.done(), "the payment did not wait, and saw no purchase"
        paying.result(10)
    assert state_of(purchase) == "paid"


def test_a_purchase_waits_for_the_payment_that_is_being_stored(make_purchase: Make, clock: SteppedClock) -> None:
    def make() -> None:
        make_purchase("TX-1", now=clock.now())
        connection.close()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            record_payments([paid("TX-1", 10)], now=clock.now())
            making = threads.submit(make)
            wait_until_blocked(making)
            assert not making.done(), "the purchase did not wait, and saw no payment"
        making.result(10)
    assert Purchase.objects.get(tx_ref="TX-1").state == "paid"


@pytest.mark.parametrize(("kes", "advice"), [(9, "wait for the rest"), (11, "what is over goes to suspense")])
def test_a_wrong_amount_holds_the_purchase_and_keeps_the_money(
    make_purchase: Make, clock: SteppedClock, kes: int, advice: str
) -> None:
    purchase = make_purchase("TX-1", now=clock.now())
    record_payments([paid("TX-1", kes)], now=clock.now())
    stored = Purchase.objects.get(pk=purchase.pk)
    assert (stored.state, stored.hold, stored.fiat_paid) == ("held", "amount_mismatch", kes * 100)
    assert advice in stored.reason
    require_books_to_balance()


def test_a_top_up_completes_a_payment_that_was_too_small(make_purchase: Make, clock: SteppedClock) -> None:
    purchase = make_purchase("TX-1", now=clock.now())
    record_payments([paid("TX-1", 4, receipt="AAAA1")], now=clock.now())
    record_payments([paid("TX-1", 6, receipt="AAAA2")], now=clock.now())
    assert state_of(purchase) == "paid"
    assert equation("KES").pending == 1000


@pytest.mark.parametrize(("kes", "suspense"), [(9, 0), (11, 100)])
def test_accepting_a_wrong_amount_settles_the_difference(
    make_purchase: Make, clock: SteppedClock, kes: int, suspense: int
) -> None:
    purchase = make_purchase("TX-1", now=clock.now())
    record_payments([paid("TX-1", kes)], now=clock.now())
    decisions.accept(intent_id=purchase.intent_id, actor="ops", reason="agreed by phone", now=clock.now())
    assert state_of(purchase) == "paid"
    assert equation("KES").pending == 1000
    assert equation("KES").suspense == suspense
    require_books_to_balance()


def test_a_second_payment_for_a_paid_purchase_is_surplus(make_purchase: Make, clock: SteppedClock) -> None:
    purchase = make_purchase("TX-1", now=clock.now())
    answers = record_payments([paid("TX-1", 10, receipt="AAAA1"), paid("TX-1", 10, receipt="AAAA2")], now=clock.now())
    assert [a.status for a in answers] == [Recorded.NEW, Recorded.NEW]
    assert state_of(purchase) == "paid"
    assert sorted(Payment.objects.values_list("state", flat=True)) == [
        PaymentState.APPLIED,
        PaymentState.SURPLUS,
    ]
    assert (equation("KES").pending, equation("KES").suspense) == (1000, 1000)
    assert dead_letters.depth() == 1
    require_books_to_balance()


def test_one_receipt_counts_once_whatever_brought_it(make_purchase: Make, clock: SteppedClock) -> None:
    make_purchase("TX-1", now=clock.now())
    first = paid("TX-1", 10, receipt="RCPT1")
    other = paid("TX-1", 10, receipt="RCPT1")
    object.__setattr__(other, "event_key", "c2b:RCPT1")
    record_payments([first], now=clock.now())
    [answer] = record_payments([other], now=clock.now())
    assert answer.status is Recorded.RECEIPT_SEEN
    assert equation("KES").paid == 1000
    require_books_to_balance()


def test_money_for_an_expired_purchase_is_held(make_purchase: Make, clock: SteppedClock) -> None:
    purchase = make_purchase("TX-1", now=clock.now())
    Purchase.objects.filter(pk=purchase.pk).update(state="expired")
    record_payments([paid("TX-1", 10)], now=clock.now())
    stored = Purchase.objects.get(pk=purchase.pk)
    assert (stored.state, stored.hold) == ("held", "late_payment")
    require_books_to_balance()


def test_a_worker_with_an_older_copy_can_write_nothing(make_purchase: Make, clock: SteppedClock) -> None:
    from fiatrails.kernel.errors import StaleFence
    from fiatrails.purchases.store import persist

    purchase = make_purchase("TX-1", now=clock.now())
    record_payments([paid("TX-1", 10)], now=clock.now())
    with pytest.raises(StaleFence), transaction.atomic():
        persist([purchase], [], now=clock.now())
    assert state_of(purchase) == "paid"


def test_two_requests_cannot_both_take_the_last_of_the_daily_limit(make_purchase: Make, clock: SteppedClock) -> None:
    from fiatrails.kernel.errors import Unprocessable

    def make(number: int) -> bool:
        try:
            make_purchase(f"TX-{number}", now=clock.now(), tokens=1000)
        except Unprocessable:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(10) as threads:
        made = list(threads.map(make, range(10)))
    assert sum(made) == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE purchases_transition SET actor = 'nobody'",
        "DELETE FROM purchases_transition",
        "DELETE FROM rb_core_inbox_event",
        "UPDATE rb_core_inbox_event SET raw = ''",
        "DELETE FROM rb_core_payment",
        "DELETE FROM compliance_decision",
    ],
)
def test_what_was_recorded_cannot_be_rewritten(make_purchase: Make, clock: SteppedClock, statement: str) -> None:
    from django.db import IntegrityError

    make_purchase("TX-1", now=clock.now())
    record_payments([paid("TX-1", 10)], now=clock.now())
    with pytest.raises(IntegrityError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(statement)
