"""The control endpoints of the M-PESA simulator."""

from typing import Any

import pytest

from tests.integration.sandbox.merchant import PHONE, Mpesa, deliveries, wait_until
from tests.kit.receiver import Receiver


class TestControl:
    @pytest.mark.parametrize(
        ("name", "body", "message"),
        [
            ("faults", {"loseRate": 1.5}, "loseRate must be a number from 0 to 1"),
            ("faults", {"duplicate": True}, "duplicate must be a whole number"),
            ("faults", {"loosRate": 1}, "unknown fault 'loosRate'"),
            ("faults", {"kinds": ["sms"]}, "kinds may hold stk, c2b, result, gateway"),
            ("stk", {"behaviour": "laugh"}, "behaviour must be one of pay"),
            ("stk", {"behaviour": "pay", "next": 0}, "next must be a whole number"),
            ("stk-answer", {"checkoutRequestId": "none", "behaviour": "pay"}, "no such checkoutRequestId"),
            ("pay", {"amount": "1.001", "billRef": "INV-1"}, "amount must be more than 0"),
            ("pay", {"amount": 10, "billRef": "INV-1", "msisdn": "0712"}, "msisdn must look like"),
            ("pay", {"amount": 10, "ref": "INV-1"}, "unknown: ref"),
            ("gateway-pay", {"txRef": "", "amount": 1, "phone": PHONE}, "txRef must be a text"),
            (
                "gateway-pay",
                {"txRef": "a", "amount": 1, "phone": PHONE, "receipt": "x"},
                "receipt must be ten",
            ),
        ],
    )
    def test_bad_input_is_refused_with_the_reason(
        self, shared: Mpesa, name: str, body: dict[str, Any], message: str
    ) -> None:
        answer = shared.control(name, **body)
        assert answer.status_code in {400, 404}
        assert answer.json()["error"].startswith(message)

    def test_a_partly_bad_fault_changes_nothing(self, shared: Mpesa) -> None:
        shared.control("faults", oauthDown=True, duplicate=-1)
        assert shared.http.get("/_sandbox/faults").json()["oauthDown"] is False

    def test_the_deliveries_say_what_the_receiver_answered(self, mpesa: Mpesa, receiver: Receiver) -> None:
        receiver.answer = lambda _: (500, {"error": "no"})
        checkout_id = mpesa.push().json()["CheckoutRequestID"]
        wait_until(lambda: deliveries(mpesa, checkout_id) != [])
        [delivery] = deliveries(mpesa, checkout_id)
        assert (delivery["kind"], delivery["httpStatus"], delivery["body"]) == ("stk", 500, {"error": "no"})
