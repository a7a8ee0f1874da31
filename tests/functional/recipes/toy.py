"""A toy provider: what CONTRIBUTING's recipe asks for, in one file. It signs its payments and knows nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.urls import include, path

from fiatrails.api.webhooks.signed import signed_callback
from fiatrails.kernel.errors import BadInput, Unauthorized
from fiatrails.kernel.money import parse_money
from fiatrails.kernel.references import parse_tx_ref
from fiatrails.kernel.signatures import matching_key
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.provider import Provider

SECRET = b"a toy's secret, known to both sides of this test"


class Toy(Provider):
    name = "toy"


def verify(raw: bytes, headers: Mapping[str, Any], now: datetime) -> PaymentEvent:
    """Return the payment that a signed message reports."""
    if matching_key([("toy", SECRET)], raw, headers.get("HTTP_X_TOY_SIGNATURE", "")) is None:
        raise Unauthorized("bad_signature", "X-Toy-Signature must be the hex HMAC-SHA256 of the raw body")
    try:
        body = json.loads(raw)
        paid = parse_money(body["amount"], body["currency"])
        return PaymentEvent(
            provider=Toy.name,
            channel="webhook",
            event_key=f"toy:{body['id']}",
            receipt=body["id"],
            tx_ref=parse_tx_ref(body["reference"]),
            paid=paid,
            phone="",
            occurred_at=now,
            raw=raw,
            trusted=True,
        )
    except (ValueError, KeyError, TypeError):
        raise BadInput("malformed_payment", "send id, amount, currency and reference as JSON") from None


urlpatterns = [path("callbacks/toy", signed_callback(Toy.name, verify)), path("", include("fiatrails.config.urls"))]
