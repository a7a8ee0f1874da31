"""Several refunds of one payment: together never more than was paid, whoever asks at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, transaction

from fiatrails.kernel.errors import Conflict
from fiatrails.kernel.money import Money
from fiatrails.providers.core.models import Payment, ProviderRequest, RequestState
from fiatrails.providers.core.requests import open_refund
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments.record import record_payments
from tests.conftest import SteppedClock
from tests.integration.purchases.conftest import address_book, make_purchase, paid

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["address_book", "make_purchase"]
Make = Callable[..., Purchase]


@pytest.fixture
def payment(make_purchase: Make, clock: SteppedClock) -> Payment:
    """A payment of ten shillings."""
    make_purchase("TX-1", now=clock.now())
    record_payments([paid("TX-1", 10, receipt="R1")], now=clock.now())
    return Payment.objects.get()


def refund(payment: Payment, clock: SteppedClock, minor: int | None = None) -> ProviderRequest:
    money = None if minor is None else Money("KES", minor)
    with transaction.atomic():
        locked = Payment.objects.select_for_update().get(pk=payment.pk)
        return open_refund(event=locked, money=money, reason="a test", now=clock.now())


def test_a_payment_is_sent_back_in_parts_up_to_the_whole(payment: Payment, clock: SteppedClock) -> None:
    first, second = refund(payment, clock, 400), refund(payment, clock, 600)
    assert (first.amount_minor, second.amount_minor) == (400, 600)
    with pytest.raises(Conflict, match=r"0\.00 KES of this payment"):
        refund(payment, clock, 1)


def test_a_part_that_was_refused_for_certain_counts_no_more(payment: Payment, clock: SteppedClock) -> None:
    first = refund(payment, clock, 700)
    with pytest.raises(Conflict, match=r"3\.00 KES"):
        refund(payment, clock, 400)
    ProviderRequest.objects.filter(pk=first.pk).update(state=RequestState.FAILED)
    assert refund(payment, clock, 400).amount_minor == 400
    # The first turns out to be done after all: now there is too much, and the database says so.
    with pytest.raises(IntegrityError, match="exceeds what was paid"):
        ProviderRequest.objects.filter(pk=first.pk).update(state=RequestState.SUCCEEDED)


def test_the_whole_is_not_asked_for_beside_a_part(payment: Payment, clock: SteppedClock) -> None:
    refund(payment, clock, 100)
    with pytest.raises(Conflict, match="reversal_live"):
        refund(payment, clock)


def test_parts_asked_for_at_once_stay_within_the_payment(payment: Payment, clock: SteppedClock) -> None:
    def ask(_: int) -> int:
        try:
            return refund(payment, clock, 300).amount_minor
        except Conflict:
            return 0
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(ask, range(20))) == 900


def test_the_database_refuses_what_nobody_checked(payment: Payment, clock: SteppedClock) -> None:
    with pytest.raises(IntegrityError, match="exceeds what was paid"):
        ProviderRequest.objects.create(
            provider="mpesa",
            kind="refund",
            reference="r",
            dedupe_key="d",
            payment=payment,
            amount_minor=1001,
            currency="KES",
            created_at=clock.now(),
        )
