"""Send the gateway form: a signed notice of a payment, resent until the receiver accepts it."""

import hashlib
import hmac
import json
import time
from typing import Any

from sandbox.kit.book import AlreadyDone
from sandbox.kit.messages import control_refusal
from sandbox.kit.notices import Notice, Notices
from sandbox.mpesa.records import Payment
from sandbox.mpesa.world import World

_PATH = "/api/v1/callbacks/mpesa"


class Gateway:
    """Payments by the gateway. Unlike Daraja it signs its notices, and resends those that were not accepted."""

    def __init__(self, world: World) -> None:
        self._book = world.book
        self._ids = world.ids
        self._notices = Notices(world.parts.courier, world.parts.scheduler, world.config.resend_schedule_s)
        self._shortcode = world.config.shortcode
        self._url = world.config.callback_url.rstrip("/") + _PATH
        self._secret = world.config.gateway_secret

    def pay(self, *, payment: Payment) -> dict[str, Any]:
        """Move the money, send the first notice, and return the answers to it."""
        if self._secret is None:
            raise control_refusal("no gateway secret: set the variable named by --gateway-secret-env", 409)
        known = self._book.payment(payment.receipt)
        if known is None:
            self._add(payment)
        elif (known.notice, known.cents) != (payment.notice, payment.cents):
            raise control_refusal(f"receipt {payment.receipt} was already given to another payment", 409)
        answers = self._notices.send_now(self._notice(payment, self._secret))
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
        """Return a payment to make; its notice gives the amount exactly as the caller wrote it."""
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
        """Resend the notices that nobody had accepted when the simulator stopped."""
        if self._secret is None:
            return
        for payment in self._book.unacknowledged():
            self._notices.resume(self._notice(payment, self._secret))

    def _add(self, payment: Payment) -> None:
        try:
            self._book.add_payment(payment)
        except AlreadyDone:
            raise control_refusal(f"receipt {payment.receipt} is taken", 409) from None

    def _notice(self, payment: Payment, secret: bytes) -> Notice:
        fields = dict(payment.notice or {})
        resend = bool(fields.pop("resend", False))

        def write() -> tuple[bytes, dict[str, str]]:
            # Fresh at every attempt: a resend with an old timestamp would rightly be refused.
            body = {**fields, "timestamp": int(time.time()), "metadata": {"receipt": payment.receipt}}
            raw = json.dumps(body).encode()
            return raw, {"X-Mpesa-Signature": hmac.new(secret, raw, hashlib.sha256).hexdigest()}

        return Notice(
            kind="gateway",
            key=payment.receipt,
            url=self._url,
            write=write,
            is_open=lambda: self._book.is_unacknowledged(payment.receipt),
            accept=lambda: self._book.acknowledge(payment.receipt),
            resend=resend,
            accepted=(200,),
        )
