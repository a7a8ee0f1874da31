"""Describe what the money book holds, and show it as JSON."""

from dataclasses import dataclass
from typing import Any

from sandbox.mpesa.money import shillings


@dataclass(frozen=True)
class Payment:
    """Money a customer paid. `notice` is the gateway form to resend until it is acknowledged; `names` are the first,
    the middle and the last, of which newer C2B callbacks fill the first only."""

    receipt: str
    channel: str
    cents: int
    msisdn: str
    reference: str
    shortcode: str
    paid_at: float
    checkout_id: str = ""
    notice: dict[str, Any] | None = None
    names: tuple[str, str, str] = ("JANE", "", "")


@dataclass(frozen=True)
class Reversal:
    """Money returned to the customer of one payment."""

    receipt: str
    original_receipt: str
    cents: int
    msisdn: str
    reversed_at: float
    originator_id: str
    conversation_id: str


@dataclass(frozen=True)
class Payout:
    """Money sent to a customer (B2C)."""

    receipt: str
    cents: int
    msisdn: str
    paid_at: float
    originator_id: str
    conversation_id: str


@dataclass(frozen=True)
class Push:
    """An STK push, and the result code of the answer its customer plans (None: never answers)."""

    checkout_id: str
    merchant_id: str
    cents: int
    msisdn: str
    reference: str
    shortcode: str
    callback_url: str
    plan: int | None
    asked_at: float


@dataclass(frozen=True)
class Urls:
    """The registered C2B callback URLs of a shortcode."""

    shortcode: str
    response_type: str
    confirmation_url: str
    validation_url: str


def payment_view(payment: Payment, unacknowledged: bool) -> dict[str, Any]:
    """Return a payment as JSON; `unacknowledged` says whether its notice still waits."""
    view = {
        "receipt": payment.receipt,
        "channel": payment.channel,
        "amount": shillings(payment.cents),
        "msisdn": payment.msisdn,
        "reference": payment.reference,
        "shortcode": payment.shortcode,
        "paidAt": payment.paid_at,
    }
    if payment.checkout_id:
        view["checkoutRequestId"] = payment.checkout_id
    if payment.notice is not None:
        view["acknowledged"] = not unacknowledged
    return view


def money_view(moved: Reversal | Payout) -> dict[str, Any]:
    """Return money that went to a customer as JSON."""
    view = {
        "receipt": moved.receipt,
        "amount": shillings(moved.cents),
        "msisdn": moved.msisdn,
        "originatorConversationId": moved.originator_id,
        "conversationId": moved.conversation_id,
    }
    if isinstance(moved, Reversal):
        return {**view, "originalReceipt": moved.original_receipt, "reversedAt": moved.reversed_at}
    return {**view, "paidAt": moved.paid_at}


def push_view(push: Push, code: int | None) -> dict[str, Any]:
    """Return a push as JSON, with its result code, which is None while the customer thinks."""
    return {
        "checkoutRequestId": push.checkout_id,
        "amount": shillings(push.cents),
        "msisdn": push.msisdn,
        "reference": push.reference,
        "resultCode": code,
    }
