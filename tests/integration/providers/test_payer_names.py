"""Who paid, as M-PESA tells it: kept for the wallet with the payment, screened with it, never in the money's way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import DatabaseError, connection
from structlog.testing import capture_logs

from fiatrails.compliance.models import Payer
from fiatrails.compliance.sanctions import checks, payers
from fiatrails.kernel.conf import Config, ScreeningConfig
from fiatrails.kernel.errors import BadInput
from fiatrails.providers.core.models import Payment, PaymentState
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.payments.record import record_payments
from fiatrails.screening.lists import current, store
from tests.conftest import SteppedClock
from tests.integration.providers.conftest import PHONE, Rail
from tests.integration.providers.test_paybill import bill, state_of
from tests.integration.purchases.conftest import USER, paid, stage
from tests.integration.purchases.stage import Stage
from tests.kit.receiver import Received

__all__ = ["stage"]
Make = Callable[..., Purchase]


def pay(rail: Rail, reference: str, *names: str, amount: int = 10) -> str:
    body = {"amount": amount, "billRef": reference, "msisdn": PHONE, "names": list(names)}
    return str(rail.control("pay", **body)["receipt"])


def known() -> list[tuple[str, str, str, str]]:
    return list(Payer.objects.order_by("id").values_list("user", "name", "type", "recorded_by"))


def test_the_payer_is_kept_with_the_payment_once_however_often_it_is_told(rail: Rail, make_purchase: Make) -> None:
    first, second = (make_purchase(reference, now=rail.clock.now()) for reference in ("TX-1", "TX-2"))
    pay(rail, "TX-1", "JOHN", "OTIENO", "DOE")
    [confirmation] = rail.wait_for(1)
    rail.hand_on_new()
    assert known() == []
    rail.run_until(lambda: state_of(first) == "paid")
    assert known() == [(USER, "JOHN OTIENO DOE", "person", "mpesa")]
    rail.hand_on(confirmation)
    pay(rail, "TX-2", "JOHN", "OTIENO", "DOE")
    rail.run_until(lambda: state_of(second) == "paid")
    rail.settle()
    assert len(known()) == 1


@pytest.mark.parametrize("names", [("", "", ""), ("J***", "", "D**"), ("JOHN", "", "D**"), ("254708374149", "", "")])
def test_a_hidden_name_is_no_name_and_the_money_counts(
    rail: Rail, make_purchase: Make, names: tuple[str, str, str]
) -> None:
    purchase = make_purchase("TX-1", now=rail.clock.now())
    pay(rail, "TX-1", *names)
    rail.run_until(lambda: state_of(purchase) == "paid")
    assert known() == []


def test_a_name_that_is_nonsense_stops_no_money(rail: Rail, make_purchase: Make) -> None:
    purchase = make_purchase("TX-1", now=rail.clock.now())
    receipt = rail.pay_bill("TX-1")
    rail.wait_for(1)
    rail.handed_on = 1
    names: dict[str, Any] = {"FirstName": "a\0\ud800" + "y" * 50_000, "MiddleName": {"a": []}, "LastName": -1}
    body = json.dumps(bill(receipt, "TX-1", **names)).encode()
    assert rail.post("c2b/confirmation", body).status_code == 200
    rail.run_until(lambda: state_of(purchase) == "paid")
    assert [name for _, name, _, _ in known()] == ["a " + "y" * 97]


def test_a_name_that_cannot_be_kept_is_left_out_with_a_line_and_the_money_counts(
    rail: Rail, make_purchase: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BadInput("malformed_payer_name", "a test")

    monkeypatch.setattr(payers, "record", refuse)
    purchase = make_purchase("TX-1", now=rail.clock.now())
    pay(rail, "TX-1", "JOHN", "", "DOE")
    with capture_logs() as lines:
        rail.run_until(lambda: state_of(purchase) == "paid")
    [line] = [line for line in lines if line["event"] == "payer_name.left_out"]
    assert line["code"] == "malformed_payer_name"
    assert "JOHN" not in str(lines)


def test_money_that_waited_for_its_purchase_brings_its_name_along(rail: Rail, make_purchase: Make) -> None:
    pay(rail, "TX-LATER", "JOHN", "", "DOE")
    rail.run_until(lambda: Payment.objects.filter(state=PaymentState.UNMATCHED).exists())
    assert known() == []
    assert state_of(make_purchase("TX-LATER", now=rail.clock.now())) == "paid"
    assert [name for _, name, _, _ in known()] == ["JOHN DOE"]


def test_surplus_says_nothing_about_the_wallet(rail: Rail, make_purchase: Make) -> None:
    purchase = make_purchase("TX-1", now=rail.clock.now())
    pay(rail, "TX-1", "JOHN", "", "DOE")
    rail.run_until(lambda: state_of(purchase) == "paid")
    pay(rail, "TX-1", "SOMEBODY", "", "ELSE")
    rail.run_until(lambda: Payment.objects.filter(state=PaymentState.SURPLUS).exists())
    assert [name for _, name, _, _ in known()] == ["JOHN DOE"]


def push_counted(rail: Rail, make_purchase: Make) -> Received:
    """A push that was counted by its own callback, and the paybill's report of the same payment, not handed on yet."""
    rail.control("faults", alsoAsC2b=True)
    purchase = make_purchase("TX-1", now=rail.clock.now())
    rail.push(purchase)
    rail.run_until(rail.arrived, hand_on=False)
    both = rail.wait_for(2)
    rail.handed_on = 2
    [push] = [received for received in both if "/c2b/" not in received.path]
    [report] = [received for received in both if "/c2b/" in received.path]
    rail.hand_on(push)
    rail.run_until(lambda: state_of(purchase) == "paid", hand_on=False)
    assert known() == []
    return report


def joined() -> bool:
    return Payment.objects.filter(state=PaymentState.DUPLICATE).exists()


def test_the_paybills_report_names_the_payer_of_a_push_that_was_counted_before(rail: Rail, make_purchase: Make) -> None:
    report = push_counted(rail, make_purchase)
    rail.hand_on(report)
    rail.run_until(joined)
    assert known() == [(USER, "JANE", "person", "mpesa")]


def test_the_name_of_a_report_that_is_disputed_is_not_believed(rail: Rail, make_purchase: Make) -> None:
    report = push_counted(rail, make_purchase)
    forged = {**json.loads(report.body), "BillRefNumber": "THIEF", "FirstName": "SOMEBODY"}
    rail.post("c2b/confirmation", forged)
    rail.hand_on(report)
    rail.run_until(joined)
    assert known() == []


def test_the_database_keeps_the_name_as_it_came(rail: Rail) -> None:
    pay(rail, "TX-1", "JOHN", "", "DOE")
    rail.wait_for(1)
    rail.hand_on_new()
    assert Payment.objects.get().payer_name == "JOHN DOE"
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("UPDATE rb_core_payment SET payer_name = 'x'")


class TestScreening:
    @pytest.fixture(autouse=True)
    def listed(self, configure: Callable[..., Config], clock: SteppedClock, transactional_db: None) -> Iterator[None]:
        configure(screening=ScreeningConfig(enabled=True))
        self.forget()
        row = b'36,"YAN, Xiaobing","individual","SDNTK",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n\x1a'
        store.load({"sdn.csv": row}, published=date(2026, 10, 20), actor="test", now=clock.now())
        yield
        self.forget()

    def forget(self) -> None:
        current.forget_cached()
        checks._made = None

    def test_a_payer_whom_only_mpesa_names_is_screened_before_anything_is_minted(
        self, address_book: object, make_purchase: Make, clock: SteppedClock, stage: Stage
    ) -> None:
        assert django_settings.FIATRAILS.screening.enabled
        purchases = [make_purchase(f"TX-{n}", now=clock.now(), user="0x" + f"{n}b" * 20) for n in (1, 2)]
        named = zip(purchases, ("XIAOBING YAN", "JANE WANJIKU"), strict=True)
        events = [replace(paid(i.tx_ref, 10, receipt=f"R{i.tx_ref}"), payer_name=name) for i, name in named]
        record_payments(events, now=clock.now())
        stage.step()
        listed, ordinary = (Purchase.objects.get(pk=purchase.pk) for purchase in purchases)
        assert (listed.state, listed.hold) == ("held", "sanctions")
        assert "YAN, Xiaobing" in listed.reason
        assert ordinary.state == "cleared"
