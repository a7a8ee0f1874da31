"""What the M-PESA simulator keeps over a restart."""

import signal
from pathlib import Path

import pytest

from tests.integration.sandbox.merchant import GATEWAY_PATH, PHONE, running, stk_outcomes, wait_until
from tests.kit.receiver import Receiver


class TestRestart:
    def test_the_book_survives(self, receiver: Receiver, tmp_path: Path) -> None:
        with running(receiver, tmp_path) as mpesa:
            receipt = mpesa.bill()
            mpesa.reverse(receipt, 150)
            mpesa.pay_out("payout-1")
            mpesa.register()
            before = mpesa.book()
        with running(receiver, tmp_path) as mpesa:
            assert mpesa.book() == before
            assert mpesa.bill() != receipt
            receiver.wait("/confirm")
            assert mpesa.pay_out("payout-1").json()["errorCode"] == "500.002.1001"

    def test_a_killed_simulator_forgets_no_money(self, receiver: Receiver, tmp_path: Path) -> None:
        with running(receiver, tmp_path) as mpesa:
            receipts = [mpesa.bill() for _ in range(20)]
            mpesa.expected_exit = -signal.SIGKILL
            mpesa.process.kill()
        with running(receiver, tmp_path) as mpesa:
            assert [payment["receipt"] for payment in mpesa.book()["payments"]] == receipts

    def test_a_push_in_flight_is_answered_after_the_restart(self, receiver: Receiver, tmp_path: Path) -> None:
        with running(receiver, tmp_path, "--answer-delay-ms", "60000") as mpesa:
            mpesa.push()
        with running(receiver, tmp_path) as mpesa:
            assert stk_outcomes(receiver, 1) == [0]
            assert mpesa.book()["totals"]["paid"] == "150.00"

    def test_a_notice_nobody_took_is_resent_after_the_restart(self, receiver: Receiver, tmp_path: Path) -> None:
        receiver.answer = lambda _: (503, "down")
        with running(receiver, tmp_path) as mpesa:
            mpesa.control("gateway-pay", txRef="MPESA-1", amount=100, phone=PHONE)
        sent = len(receiver.all(GATEWAY_PATH))
        receiver.answer = lambda _: (200, {"status": "processed"})
        with running(receiver, tmp_path) as mpesa:
            receiver.wait(GATEWAY_PATH, sent + 1)
            wait_until(lambda: mpesa.book()["payments"][0]["acknowledged"])

    def test_a_line_torn_by_a_crash_is_cut_off(self, receiver: Receiver, tmp_path: Path) -> None:
        with running(receiver, tmp_path) as mpesa:
            mpesa.bill()
        with (tmp_path / "book.jsonl").open("ab") as journal:
            journal.write(b'{"event":"payment","rec')
        for payments in (1, 2):
            with running(receiver, tmp_path) as mpesa:
                assert len(mpesa.book()["payments"]) == payments
                mpesa.bill()

    def test_a_second_simulator_on_the_same_book_does_not_start(self, receiver: Receiver, tmp_path: Path) -> None:
        with (
            running(receiver, tmp_path),
            pytest.raises(RuntimeError, match="ended with 1"),
            running(receiver, tmp_path),
        ):
            pass
