"""M-PESA through a gateway that signs: `X-Mpesa-Signature` = hex HMAC-SHA256(secret, raw body). Source: api.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fiatrails.kernel.clock import unix
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import BadInput, Unauthorized
from fiatrails.kernel.references import parse_tx_ref
from fiatrails.kernel.signatures import matching_key, require_fresh
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.mpesa import fields
from fiatrails.providers.mpesa.config import mpesa_config

PROVIDER = "mpesa"
_PHONE = re.compile(r"\+?[0-9]{9,15}", re.ASCII)
_RECEIPT_NAMES = ("receipt", "mpesaReceiptNumber", "MpesaReceiptNumber", "transId", "TransID")


def verify(raw: bytes, headers: Mapping[str, Any], now: datetime) -> PaymentEvent:
    """Return the payment that a signed callback reports. `headers` as WSGI names them. Unauthorized without a signature
    by one of our secrets or with a stale timestamp, BadInput names the field."""
    secrets = [(name, secret.get_secret_value().encode()) for name, secret in mpesa_config().gateway_secrets]
    authenticate(raw=raw, signature=headers.get("HTTP_X_MPESA_SIGNATURE", ""), secrets=secrets)
    return parse(raw=raw, now=now, tolerance_s=profile().timeouts.webhook_tolerance_s)


def authenticate(*, raw: bytes, signature: str, secrets: Sequence[tuple[str, bytes]]) -> str:
    """Return the name of the secret that signed `raw`; Unauthorized when none did."""
    name = matching_key(secrets, raw, signature) if signature else None
    if name is None:
        raise Unauthorized("bad_signature", "X-Mpesa-Signature must be the hex HMAC-SHA256 of the raw body")
    return name


def parse(*, raw: bytes, now: datetime, tolerance_s: int, currency: str = "KES") -> PaymentEvent:
    """Parse an authenticated body; BadInput names the field, Unauthorized when its timestamp is stale either way."""
    body = fields.json_object(raw)
    tx_ref = parse_tx_ref(body.get("txRef"))
    occurred = _timestamp(body.get("timestamp"))
    require_fresh(unix(occurred), unix(now), tolerance_s)
    paid = fields.amount(body.get("amount"), currency)
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


def _timestamp(value: object) -> datetime:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value, re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**11:
        raise BadInput("malformed_timestamp", "timestamp must be Unix seconds")
    return datetime.fromtimestamp(value, UTC)


def _phone(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _PHONE.fullmatch(text):
        raise BadInput("malformed_phone", "phone must be 9 to 15 digits, such as 254712345678")
    return text.lstrip("+")


def _receipt(metadata: Mapping[str, Any]) -> str | None:
    value = next((metadata[name] for name in _RECEIPT_NAMES if metadata.get(name) is not None), None)
    if value is None:
        return None
    return fields.receipt(value, "metadata receipt")
