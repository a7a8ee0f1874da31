"""Fields of the public API, in camelCase, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.clock import isoformat
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import Money, parse_money, parse_token_amount
from fiatrails.providers.mpesa.gateway import parse_tx_ref
from fiatrails.purchases.models import Intent
from fiatrails.purchases.operations.intents import NewIntent
from fiatrails.purchases.states import public_status

_COUNTRY = re.compile(r"[A-Z]{3}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


def read_new_intent(body: Mapping[str, Any]) -> NewIntent:
    """The request to make an intent; BadInput names the field. Unknown fields are ignored, so that clients may send
    what a later version understands."""
    fiat = body.get("fiatAmount")
    return NewIntent(
        user=parse_address(body.get("user"), field="user"),
        amount=parse_token_amount(body.get("amount")),  # type: ignore[arg-type]
        country_code=_matching(body.get("countryCode"), _COUNTRY, "countryCode must be 3 capital letters, such as KES"),
        tx_ref=parse_tx_ref(body.get("txRef")),
        price=None if fiat is None else _price(fiat),
    )


def _price(fiat: object) -> Money:
    if not isinstance(fiat, dict) or not isinstance(fiat.get("value"), str):
        raise BadInput("malformed_fiat_amount", 'fiatAmount must be {"currency": "KES", "value": "1500.00"}')
    currency = _matching(fiat.get("currency"), _CURRENCY, "fiatAmount.currency must be 3 capital letters, such as KES")
    return parse_money(fiat["value"], currency)


def _matching(value: object, pattern: re.Pattern[str], message: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadInput("malformed_field", message)
    return value


def created(intent: Intent) -> dict[str, object]:
    """What the maker of an intent is told."""
    return {
        "intentId": intent.intent_id,
        "status": public_status(intent.state),
        "txHash": intent.tx_hash,
        "createdAt": isoformat(intent.created_at),
    }


def shown(intent: Intent) -> dict[str, object]:
    """An intent as read."""
    return {
        "intentId": intent.intent_id,
        "user": intent.user,
        "amount": str(intent.amount),
        "countryCode": intent.country_code,
        "txRef": intent.tx_ref,
        "status": public_status(intent.state),
        "txHash": intent.tx_hash,
        "createdAt": isoformat(intent.created_at),
        "executedAt": _moment(intent.executed_at),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else isoformat(moment)
