"""Offer the control endpoints of M-PESA alone, under `/_sandbox/`."""

import re
from typing import Any

from sandbox.kit.book import AlreadyDone
from sandbox.kit.control import json_object, text_field
from sandbox.kit.messages import Reply, Request, control_refusal
from sandbox.mpesa.customers import Customers, result_code
from sandbox.mpesa.fields import is_msisdn
from sandbox.mpesa.gateway import Gateway
from sandbox.mpesa.money import cents_of
from sandbox.mpesa.records import Payment
from sandbox.mpesa.world import World

_RECEIPT = re.compile(r"[A-Z0-9]{10}")
_DEFAULT_MSISDN = "254708374149"


class Control:
    """One method per endpoint; bad input is a 400 that says what was wrong."""

    def __init__(self, world: World, customers: Customers, gateway: Gateway) -> None:
        self._shortcode = world.config.shortcode
        self._book = world.book
        self._tokens = world.tokens
        self._initiator = world.initiator
        self._customers = customers
        self._gateway = gateway

    def book(self, request: Request) -> Reply:
        """Return the book, all of it or by receipt, reference, channel or since in epoch seconds (GET book)."""
        since = _seconds(request.query.get("since", "0"))
        exact = {name: request.query.get(name) for name in ("receipt", "reference", "channel")}

        def wanted(payment: Payment) -> bool:
            named = all(value is None or getattr(payment, name) == value for name, value in exact.items())
            return named and payment.paid_at >= since

        return Reply(200, self._book.view(wanted=wanted))

    def public_key(self, _request: Request) -> Reply:
        """Return the key that a SecurityCredential is encrypted with (GET public-key)."""
        return Reply(200, {"pem": self._initiator.public_key_pem()})

    def revoke_tokens(self, _request: Request) -> Reply:
        """Revoke every access token (POST revoke-tokens)."""
        return Reply(200, {"revoked": self._tokens.revoke()})

    def stk(self, request: Request) -> Reply:
        """Plan how customers answer the next pushes, or all of them (POST stk)."""
        body = json_object(request, {"behaviour", "resultCode", "next"})
        times = body.get("next")
        if times is not None and (not isinstance(times, int) or isinstance(times, bool) or not 0 < times <= 10_000):
            raise control_refusal("next must be a whole number from 1 to 10000; leave it out for all pushes")
        return Reply(200, self._customers.behave(result_code(body), times))

    def stk_answer(self, request: Request) -> Reply:
        """Let the customer of one open push answer now (POST stk-answer)."""
        body = json_object(request, {"behaviour", "resultCode", "checkoutRequestId"})
        found = self._book.push(text_field(body, "checkoutRequestId"))
        if found is None:
            raise control_refusal("no such checkoutRequestId", 404)
        code = result_code(body)
        if code is None:
            raise control_refusal("an answer cannot be never")
        try:
            payment = self._customers.answer(found[0], code)
        except AlreadyDone:
            raise control_refusal("this push was already answered", 409) from None
        return Reply(200, {"resultCode": code, "receipt": payment.receipt if payment else None})

    def pay(self, request: Request) -> Reply:
        """Let a customer pay by bill number, C2B (POST pay)."""
        body = json_object(request, {"amount", "billRef", "msisdn", "shortcode", "names"})
        paid = self._customers.pay_bill(
            shortcode=text_field(body, "shortcode", self._shortcode),
            cents=_cents(body),
            msisdn=_msisdn(body, "msisdn"),
            reference=text_field(body, "billRef"),
            names=_names(body),
        )
        return Reply(200, paid)

    def gateway_pay(self, request: Request) -> Reply:
        """Pay, and send the signed gateway form (POST gateway-pay)."""
        body = json_object(request, {"txRef", "amount", "phone", "receipt", "resend"})
        receipt, resend = body.get("receipt"), body.get("resend", True)
        if receipt is not None and not (isinstance(receipt, str) and _RECEIPT.fullmatch(receipt)):
            raise control_refusal("receipt must be ten characters A-Z, 0-9")
        if not isinstance(resend, bool):
            raise control_refusal("resend must be true or false")
        payment = self._gateway.payment(
            reference=text_field(body, "txRef"),
            amount=body.get("amount", ""),
            cents=_cents(body),
            phone=_msisdn(body, "phone"),
            receipt=receipt,
            resend=resend,
        )
        return Reply(200, self._gateway.pay(payment=payment))


def _names(body: dict[str, Any]) -> tuple[str, str, str]:
    """Return the first, middle and last name exactly as they are given: masked, empty or nonsense."""
    names = body.get("names", ["JANE", "", ""])
    if not isinstance(names, list) or len(names) != 3 or not all(isinstance(name, str) for name in names):
        raise control_refusal('names must be a list of three texts, such as ["JANE", "", "DOE"]')
    return names[0], names[1], names[2]


def _cents(body: dict[str, Any]) -> int:
    cents = cents_of(body.get("amount"))
    if cents is None:
        raise control_refusal("amount must be more than 0, in shillings, with at most two decimals")
    return cents


def _msisdn(body: dict[str, Any], name: str) -> str:
    value = text_field(body, name, _DEFAULT_MSISDN)
    if not is_msisdn(value):
        raise control_refusal(f"{name} must look like 2547XXXXXXXX or 2541XXXXXXXX")
    return value


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise control_refusal("since must be a time in epoch seconds") from None
