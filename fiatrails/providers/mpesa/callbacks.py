"""Daraja's native callbacks: raw bytes -> typed events. Pure; whatever comes in, BadInput is all that comes out.

Nothing here is signed, so every payment read here is untrusted: the provider is asked before it is credited.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.references import parse_tx_ref
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.mpesa import fields
from fiatrails.providers.mpesa.gateway import PROVIDER

STK, STK_POLL, C2B = "stk", "stk_poll", "c2b"
CURRENCY = "KES"
_MAX_PARAMETERS = 100
_ID = re.compile(r"[\x21-\x7e]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StkCallback:
    """What became of a push, as claimed. `event.paid` is None when nobody paid."""

    checkout_id: str
    merchant_id: str
    code: str
    description: str
    event: PaymentEvent


@dataclass(frozen=True, slots=True)
class C2bPayment:
    """A payment to the paybill, about to be made (validation) or made (confirmation)."""

    shortcode: str
    event: PaymentEvent


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a status query or a reversal. `parameters` are text, by key."""

    code: str
    description: str
    originator_id: str
    conversation_id: str
    transaction_id: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class QueueTimeout:
    """A request waited too long in M-PESA's queue. It may still be carried out."""

    originator_id: str
    conversation_id: str


def parse_stk(raw: bytes) -> StkCallback:
    """Parse `Body.stkCallback` of a push."""
    body = fields.mapping(fields.json_object(raw).get("Body"), "Body")
    callback = fields.mapping(body.get("stkCallback"), "Body.stkCallback")
    checkout_id = identifier(callback.get("CheckoutRequestID"), "CheckoutRequestID")
    code = fields.code(callback.get("ResultCode"))
    return StkCallback(
        checkout_id=checkout_id,
        merchant_id=fields.words(callback.get("MerchantRequestID"), 80),
        code=code,
        description=fields.words(callback.get("ResultDesc")),
        event=_stk_event(checkout_id, code, _items(callback.get("CallbackMetadata")), raw),
    )


def _stk_event(checkout_id: str, code: str, items: Mapping[str, Any], raw: bytes) -> PaymentEvent:
    """Return the event of a push's callback. The receipt and the code are part of the key: an invented failure, or an
    invented receipt, must not occupy the place of the true callback of the same push and have that one quarantined."""
    if code != "0":
        key = f"stk:{checkout_id}:failed-{code}"
        return PaymentEvent(PROVIDER, STK, key, None, "", None, "", None, raw, trusted=False)
    receipt = fields.receipt(items.get("MpesaReceiptNumber"), "MpesaReceiptNumber")
    paid = fields.amount(items.get("Amount"), CURRENCY)
    phone = fields.words(items.get("PhoneNumber"), 32)
    occurred = fields.local_time(items.get("TransactionDate"))
    key = f"stk:{checkout_id}:{receipt}"
    return PaymentEvent(PROVIDER, STK, key, receipt, "", paid, phone, occurred, raw, trusted=False)


def _items(metadata: object) -> dict[str, Any]:
    """`Item[{Name, Value?}]`, a single item maybe as an object, -> values by name."""
    if metadata is None:
        return {}
    return _pairs(fields.mapping(metadata, "CallbackMetadata").get("Item"), "Name")


def _pairs(value: object, name: str) -> dict[str, Any]:
    entries = [value] if isinstance(value, dict) else value or []
    if not isinstance(entries, list) or len(entries) > _MAX_PARAMETERS:
        raise BadInput("malformed_parameters", f"expected a list of at most {_MAX_PARAMETERS} {name}/Value objects")
    pairs = (fields.mapping(entry, "a parameter") for entry in entries)
    return {key: entry.get("Value") for entry in pairs if (key := fields.words(entry.get(name), 64))}


def checkout_of(event_key: str) -> str:
    """Return the CheckoutRequestID of a stored STK event, from its key."""
    without_channel = event_key.split(":", 1)[1]
    return without_channel.rsplit(":", 1)[0]


def poll_key(checkout_id: str) -> str:
    """Return the event key of a payment that a query of ours found; it names no receipt."""
    return f"{STK_POLL}:{checkout_id}:query"


def parse_c2b(raw: bytes) -> C2bPayment:
    """Parse a validation or a confirmation. `event.tx_ref` is what the payer typed, trimmed; empty when it cannot be a
    txRef at all (the money is real all the same). So does a name that is none: newer forms leave all but the first
    empty, and some are masked."""
    body = fields.json_object(raw)
    receipt = fields.receipt(body.get("TransID"), "TransID")
    event = PaymentEvent(
        provider=PROVIDER,
        channel=C2B,
        event_key=f"c2b:{receipt}",
        receipt=receipt,
        tx_ref=_bill_ref(body.get("BillRefNumber")),
        paid=fields.amount(body.get("TransAmount"), CURRENCY),
        phone=fields.words(body.get("MSISDN"), 32),
        occurred_at=fields.local_time(body.get("TransTime")),
        raw=raw,
        trusted=False,
        payer_name=fields.payer_name(body.get("FirstName"), body.get("MiddleName"), body.get("LastName")),
    )
    return C2bPayment(fields.words(body.get("BusinessShortCode"), 16), event)


def _bill_ref(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**36 else value
    try:
        return parse_tx_ref(text.strip() if isinstance(text, str) else text)
    except BadInput:
        return ""


def parse_result(raw: bytes) -> Result:
    """Parse the `Result` of a status query or a reversal."""
    result = fields.mapping(fields.json_object(raw).get("Result"), "Result")
    parameters: dict[str, Any] = {}
    if result.get("ResultParameters"):
        holder = fields.mapping(result["ResultParameters"], "ResultParameters")
        parameters = _pairs(holder.get("ResultParameter"), "Key")
    return Result(
        code=fields.code(result.get("ResultCode")),
        description=fields.words(result.get("ResultDesc")),
        originator_id=fields.words(result.get("OriginatorConversationID"), 80),
        conversation_id=fields.words(result.get("ConversationID"), 80),
        transaction_id=fields.words(result.get("TransactionID"), 64),
        parameters={key: fields.words(value) for key, value in parameters.items()},
    )


def parse_timeout(raw: bytes) -> QueueTimeout:
    """Parse a queue timeout; its form is not documented, so only the ids are read, from wherever they are."""
    body = fields.json_object(raw)
    inner = body.get("Result")
    source = inner if isinstance(inner, dict) else body
    return QueueTimeout(
        originator_id=fields.words(source.get("OriginatorConversationID"), 80),
        conversation_id=fields.words(source.get("ConversationID"), 80),
    )


def identifier(value: object, field: str) -> str:
    """Return an id that the provider gave: 1 to 80 printable ASCII characters without blanks."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise BadInput("malformed_id", f"{field} must be 1 to 80 printable characters")
    return value
