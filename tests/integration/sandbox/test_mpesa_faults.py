"""The faults of the M-PESA simulator."""

import time
from pathlib import Path

import httpx
import pytest

from tests.integration.sandbox.merchant import Mpesa, deliveries, running, wait_until
from tests.kit.receiver import Receiver


class TestFaults:
    def test_a_lost_callback_leaves_the_payment_in_the_book(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.control("faults", loseNext=1)
        lost = mpesa.push().json()["CheckoutRequestID"]
        told = mpesa.push().json()["CheckoutRequestID"]
        [callback] = receiver.wait("/stk")
        assert {lost, told} > {callback.json["Body"]["stkCallback"]["CheckoutRequestID"]}
        wait_until(lambda: len(mpesa.book()["payments"]) == 2)
        assert mpesa.query(lost).json()["ResultCode"] == "0"

    def test_the_same_seed_loses_the_same_callbacks(self, receiver: Receiver, tmp_path: Path) -> None:
        fates = []
        for run in ("first", "second"):
            with running(receiver, tmp_path / run) as mpesa:
                mpesa.register()
                mpesa.control("faults", loseRate=0.5)
                fates.append(outcomes(mpesa, [mpesa.bill() for _ in range(12)]))
        assert fates[0] == fates[1]
        assert set(fates[0]) == {"lost", "answered"}

    def test_duplicates_are_the_same_bytes_many_times(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.control("faults", duplicate=4)
        mpesa.push()
        copies = receiver.wait("/stk", 5)
        assert len({copy.body for copy in copies}) == 1
        assert len(mpesa.book()["payments"]) == 1

    def test_reordered_callbacks_arrive_in_another_order(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.register()
        mpesa.control("faults", reorder=5)
        receipts = [mpesa.bill() for _ in range(5)]
        arrived = [callback.json["TransID"] for callback in receiver.wait("/confirm", 5)]
        assert arrived != receipts
        assert sorted(arrived) == sorted(receipts)

    def test_a_delayed_callback_comes_late(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.register()
        mpesa.control("faults", delayMs=300)
        paid_at = time.time()
        mpesa.bill()
        assert receiver.wait("/confirm")[0].at - paid_at >= 0.3

    def test_faults_of_one_kind_spare_the_others(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.register()
        mpesa.control("faults", loseRate=1, kinds=["stk"])
        mpesa.push()
        mpesa.bill()
        receiver.wait("/confirm")
        wait_until(lambda: len(mpesa.book()["payments"]) == 2)
        assert receiver.all("/stk") == []

    def test_one_payment_arrives_as_stk_and_as_c2b_under_one_receipt(self, mpesa: Mpesa, receiver: Receiver) -> None:
        mpesa.register()
        mpesa.control("faults", alsoAsC2b=True)
        mpesa.push()
        items = receiver.wait("/stk")[0].json["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
        confirmation = receiver.wait("/confirm")[0].json
        assert confirmation["TransID"] == items[1]["Value"]
        assert confirmation["BillRefNumber"] == "order-1"
        assert len(mpesa.book()["payments"]) == 1

    def test_a_spike_arrest_does_nothing(self, mpesa: Mpesa) -> None:
        mpesa.control("faults", spikeArrestNext=1)
        assert mpesa.push().json()["errorCode"] == "500.003.02"
        assert mpesa.book()["pushes"] == []
        assert mpesa.push().status_code == 200

    def test_a_lost_reply_hides_a_push_that_was_made(self, mpesa: Mpesa) -> None:
        mpesa.control("faults", replyLostNext=1)
        with pytest.raises(httpx.RemoteProtocolError):
            mpesa.push()
        wait_until(lambda: mpesa.book()["totals"]["paid"] == "150.00")

    def test_a_slow_api_is_slow(self, mpesa: Mpesa) -> None:
        mpesa.control("faults", slowMs=300)
        begun = time.monotonic()
        mpesa.fetch_token()
        assert time.monotonic() - begun >= 0.3

    def test_cleared_faults_are_gone(self, mpesa: Mpesa) -> None:
        mpesa.control("faults", loseRate=1, oauthDown=True)
        cleared = mpesa.http.delete("/_sandbox/faults").json()
        assert (cleared["loseRate"], cleared["oauthDown"]) == (0, False)
        assert mpesa.http.get("/_sandbox/faults").json() == cleared


def outcomes(mpesa: Mpesa, receipts: list[str]) -> list[str]:
    def confirmations() -> list[str]:
        found = [d for receipt in receipts for d in deliveries(mpesa, receipt) if d["kind"] == "c2b"]
        return [delivery["outcome"] for delivery in found]

    wait_until(lambda: len(confirmations()) == len(receipts))
    return confirmations()
