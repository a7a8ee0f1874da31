"""M-PESA through a gateway that signs: `X-Mpesa-Signature` = hex HMAC-SHA256(secret, raw body). Source: api.md."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fiatrails.kernel.clock import unix
from fiatrails.kernel.errors import BadInput, Unauthorized
from fiatrails.kernel.money import Money, parse_money
from fiatrails.kernel.signatures import matching_key, require_fresh
from fiatrails.providers.core.events import PaymentEvent

PROVIDER = "mpesa"
_PHONE = re.compile(r"\+?[0-9]{9,15}", re.ASCII)
_RECEIPT = re.compile(r"[A-Za-z0-9-]{4,64}", re.ASCII)
_TX_REF = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?", re.ASCII)
_RECEIPT_NAMES = ("receipt", "mpesaReceiptNumber", "MpesaReceiptNumber", "transId", "TransID")


def authenticate(*, raw: bytes, signature: str, secrets: Sequence[tuple[str, bytes]]) -> str:
    """Name of the secret that signed `raw`; Unauthorized when none did."""
    name = matching_key(secrets, raw, signature) if signature else None
    if name is None:
        raise Unauthorized("bad_signature", "X-Mpesa-Signature must be the hex HMAC-SHA256 of the raw body")
    return name


def parse(*, raw: bytes, now: datetime, tolerance_s: int, currency: str = "KES") -> PaymentEvent:
    """Reads an authenticated body; BadInput names the field, Unauthorized when its timestamp is stale either way."""
    body = _json_object(raw)
    tx_ref = parse_tx_ref(body.get("txRef"))
    occurred = _timestamp(body.get("timestamp"))
    require_fresh(unix(occurred), unix(now), tolerance_s)
    paid = _amount(body.get("amount"), currency)
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise BadInput("malformed_metadata", "metadata must be an object")
    receipt = _receipt(metadata)
    key = f"gateway:{receipt or tx_ref}"
    return PaymentEvent(
        PROVIDER,
        "gateway",
        key,
        receipt,
        tx_ref,
        paid,
        _phone(body.get("phone")),
        occurred,
        raw,
        trusted=True,
    )


def parse_tx_ref(value: object) -> str:
    """1-128 printable ASCII characters without blanks at either end."""
    if not isinstance(value, str) or not _TX_REF.fullmatch(value):
        raise BadInput(
            "malformed_tx_ref", "txRef must be 1 to 128 printable ASCII characters, no blanks at the ends"
        )
    return value


def _json_object(raw: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(raw.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise BadInput("malformed_json", "the body must be a JSON object in UTF-8") from None
    if not isinstance(body, dict):
        raise BadInput("malformed_json", "the body must be a JSON object in UTF-8")
    return body


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _timestamp(value: object) -> datetime:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value, re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**11:
        raise BadInput("malformed_timestamp", "timestamp must be Unix seconds")
    return datetime.fromtimestamp(value, UTC)


def _amount(value: object, currency: str) -> Money:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise BadInput(
            "malformed_amount", f"amount must be what was paid, in {currency}, such as 1500 or 1500.00"
        )
    # 1e999999999 is a short number with a gigabyte of digits: its magnitude is checked before it is written out.
    if isinstance(value, Decimal) and not -18 <= value.adjusted() <= 15:
        raise BadInput("amount_out_of_range", "amount is out of range")
    money = parse_money(format(value, "f") if isinstance(value, Decimal) else str(value), currency)
    if money.minor == 0:
        raise BadInput("zero_amount", "amount must be positive")
    return money


def _phone(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _PHONE.fullmatch(text):
        raise BadInput("malformed_phone", "phone must be 9 to 15 digits, such as 254712345678")
    return text.lstrip("+")


def _receipt(metadata: Mapping[str, Any]) -> str | None:
    value = next((metadata[name] for name in _RECEIPT_NAMES if metadata.get(name) is not None), None)
    if value is None:
        return None
    if not isinstance(value, str) or not _RECEIPT.fullmatch(value):
        raise BadInput("malformed_receipt", "metadata receipt must be 4 to 64 letters, digits or dashes")
    return value.upper()
