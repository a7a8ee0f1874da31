"""Act for the customers: answer pushes, and pay by bill number."""

import threading
import time
from collections import deque
from typing import Any

from sandbox.kit.book import AlreadyDone
from sandbox.kit.messages import control_refusal
from sandbox.mpesa import bodies
from sandbox.mpesa.records import Payment, Push
from sandbox.mpesa.world import World

BEHAVIOURS: dict[str, int | None] = {
    "pay": 0,
    "insufficient": 1,
    "cancel": 1032,
    "timeout": 1037,
    "wrong_pin": 2001,
    "never": None,
}
_VALIDATION_TIMEOUT_S = 8


class Customers:
    """The customers of one M-PESA. Their money moves before the callbacks are sent."""

    def __init__(self, world: World) -> None:
        self._book = world.book
        self._ids = world.ids
        self._faults = world.parts.faults
        self._courier = world.parts.courier
        self._scheduler = world.parts.scheduler
        self._answer_delay_s = world.config.answer_delay_s
        self._lock = threading.Lock()
        self._usual: int | None = 0
        self._next: deque[int | None] = deque()

    def behave(self, code: int | None, times: int | None) -> dict[str, Any]:
        """Plan the answers to the next `times` pushes, or to all of them, and return the plan."""
        with self._lock:
            if times is None:
                self._usual = code
                self._next.clear()
            else:
                self._next.extend([code] * times)
            return {"usual": self._usual, "next": list(self._next)}

    def plan(self) -> int | None:
        """Return what the customer of a new push will do."""
        with self._lock:
            return self._next.popleft() if self._next else self._usual

    def take_up(self, push: Push) -> None:
        """Let the customer of a push answer after a while, or never, as planned."""
        code = push.plan
        if code is not None:
            self._scheduler.after(self._answer_delay_s, lambda: self._answer_if_open(push, code))

    def answer(self, push: Push, code: int) -> Payment | None:
        """Settle a push, and return its payment or None. The book comes first, then the callbacks."""
        payment = None
        if code == 0:
            payment = self._paid_push(push)
            self._book.add_payment(payment)
        else:
            self._book.fail_push(push.checkout_id, code)
        body = bodies.stk_callback(push, code, payment)
        self._courier.send(kind="stk", key=push.checkout_id, url=push.callback_url, body=body)
        if payment is not None and self._faults.is_on("alsoAsC2b"):
            self._confirm(payment)
        return payment

    def pay_bill(
        self, *, shortcode: str, cents: int, msisdn: str, reference: str, names: tuple[str, str, str]
    ) -> dict[str, Any]:
        """Pay a bill and return what happened: validation if registered, then the money, then the confirmation."""
        payment = Payment(
            receipt=self._ids.receipt(),
            channel="c2b",
            cents=cents,
            msisdn=msisdn,
            reference=reference,
            shortcode=shortcode,
            paid_at=time.time(),
            names=names,
        )
        refused = self._refused_by_validation(payment)
        if refused is not None:
            return {"status": "rejected", "validation": refused}
        self._book.add_payment(payment)
        return {"status": "paid", "receipt": payment.receipt, "confirmed": self._confirm(payment)}

    def _answer_if_open(self, push: Push, code: int) -> None:
        try:
            self.answer(push, code)
        except AlreadyDone:
            return  # the control endpoint answered for the customer meanwhile

    def _paid_push(self, push: Push) -> Payment:
        return Payment(
            receipt=self._ids.receipt(),
            channel="stk",
            cents=push.cents,
            msisdn=push.msisdn,
            reference=push.reference,
            shortcode=push.shortcode,
            paid_at=time.time(),
            checkout_id=push.checkout_id,
        )

    def _confirm(self, payment: Payment) -> bool:
        urls = self._book.urls(payment.shortcode)
        if urls is None:
            return False
        body = bodies.c2b_body(payment, org_balance_cents=self._book.balance(payment.shortcode))
        self._courier.send(kind="c2b", key=payment.receipt, url=urls.confirmation_url, body=body)
        return True

    def _refused_by_validation(self, payment: Payment) -> dict[str, Any] | None:
        urls = self._book.urls(payment.shortcode)
        if urls is None or not urls.validation_url:
            return None
        answer = self._courier.deliver(
            kind="validation",
            key=payment.receipt,
            url=urls.validation_url,
            body=bodies.c2b_body(payment, org_balance_cents=None),
            timeout_s=_VALIDATION_TIMEOUT_S,
        )
        body = answer.json
        if answer.status == 200 and isinstance(body, dict) and "ResultCode" in body:
            return None if str(body["ResultCode"]) == "0" else answer.view()
        # No usable answer: the response type given at registration decides.
        return None if urls.response_type == "Completed" else answer.view()


def result_code(body: dict[str, Any]) -> int | None:
    """Read a behaviour by its name or as a bare result code."""
    if "resultCode" in body:
        code = body["resultCode"]
        if not isinstance(code, int) or isinstance(code, bool) or code < 0:
            raise control_refusal("resultCode must be a whole number, 0 or more")
        return code
    name = body.get("behaviour")
    if not isinstance(name, str) or name not in BEHAVIOURS:
        raise control_refusal(f"behaviour must be one of {', '.join(BEHAVIOURS)}; or give resultCode")
    return BEHAVIOURS[name]
