"""The gateway form: a signed notice of a payment, resent until the receiver takes it."""

import hashlib
import hmac
import json
import time
from typing import Any

from sandbox.mpesa.book import AlreadyDone, Payment
from sandbox.mpesa.replies import control_refusal
from sandbox.mpesa.scheduler import at_once
from sandbox.mpesa.wire import Answer
from sandbox.mpesa.world import World

_PATH = "/api/v1/callbacks/mpesa"


class Gateway:
    """Pays and tells. Unlike Daraja it signs what it says and resends what was not taken."""

    def __init__(self, world: World) -> None:
        self._book = world.book
        self._ids = world.ids
        self._faults = world.faults
        self._courier = world.courier
        self._scheduler = world.scheduler
        self._shortcode = world.config.shortcode
        self._url = world.config.callback_url.rstrip("/") + _PATH
        self._secret = world.config.gateway_secret
        self._resend_schedule_s = world.config.resend_schedule_s

    def pay(self, *, payment: Payment) -> dict[str, Any]:
        """Move the money, send the first notice, and report what was said to it."""
        if self._secret is None:
            raise control_refusal("no gateway secret: set the variable named by --gateway-secret-env", 409)
        known = self._book.payment(payment.receipt)
        if known is None:
            self._add(payment)
        elif (known.notice, known.cents) != (payment.notice, payment.cents):
            raise control_refusal(f"receipt {payment.receipt} was already given to another payment", 409)
        answers = self._notify(payment, attempt=0)
        return {
            "receipt": payment.receipt,
            "repeated": known is not None,
            "acknowledged": any(answer.status == 200 for answer in answers),
            "answers": [answer.view() for answer in answers],
        }

    def payment(
        self,
        *,
        reference: str,
        amount: str | float,
        cents: int,
        phone: str,
        receipt: str | None,
        resend: bool,
    ) -> Payment:
        """Describe a payment; the amount is told exactly as the caller wrote it."""
        chosen = receipt or self._ids.receipt()
        return Payment(
            receipt=chosen,
            channel="gateway",
            cents=cents,
            msisdn=phone,
            reference=reference,
            shortcode=self._shortcode,
            paid_at=time.time(),
            notice={"txRef": reference, "amount": amount, "phone": phone, "resend": resend},
        )

    def resume(self) -> None:
        """Take up the notices that nobody had taken when the simulator stopped."""
        if self._secret is None:
            return
        for payment in self._book.unacknowledged():
            self._resend_later(payment, attempt=0)

    def _add(self, payment: Payment) -> None:
        try:
            self._book.add_payment(payment)
        except AlreadyDone:
            raise control_refusal(f"receipt {payment.receipt} is taken", 409) from None

    def _notify(self, payment: Payment, *, attempt: int) -> list[Answer]:
        if self._courier.is_lost(kind="gateway", key=payment.receipt, url=self._url):
            answers = [Answer(None, "lost on purpose")]
        else:
            answers = self._deliver_copies(payment)
        if any(answer.status == 200 for answer in answers):
            self._book.acknowledge(payment.receipt)
        else:
            self._resend_later(payment, attempt=attempt)
        return answers

    def _deliver_copies(self, payment: Payment) -> list[Answer]:
        copies = 1
        if self._faults.hits_kind("gateway"):
            copies += self._faults.number("duplicate")
            time.sleep(self._faults.jitter_s())
        # One body for all copies: a duplicate is the same bytes, arriving at the same time.
        raw = self._body(payment)
        return at_once(copies, lambda: self._deliver(payment, raw))

    def _deliver(self, payment: Payment, raw: bytes) -> Answer:
        headers = {"X-Mpesa-Signature": hmac.new(self._secret or b"", raw, hashlib.sha256).hexdigest()}
        return self._courier.deliver_raw(kind="gateway", key=payment.receipt, url=self._url, raw=raw, headers=headers)

    def _body(self, payment: Payment) -> bytes:
        notice = dict(payment.notice or {})
        notice.pop("resend", None)
        # Fresh at every attempt: a resend with an old timestamp would rightly be refused.
        told = {**notice, "timestamp": int(time.time()), "metadata": {"receipt": payment.receipt}}
        return json.dumps(told).encode()

    def _resend_later(self, payment: Payment, *, attempt: int) -> None:
        if not (payment.notice or {}).get("resend"):
            return
        pause_s = self._resend_schedule_s[min(attempt, len(self._resend_schedule_s) - 1)]
        self._scheduler.after(pause_s, lambda: self._resend(payment, attempt=attempt + 1))

    def _resend(self, payment: Payment, *, attempt: int) -> None:
        if self._book.is_unacknowledged(payment.receipt):
            self._notify(payment, attempt=attempt)
