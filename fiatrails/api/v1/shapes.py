"""Fields of the public API, in camelCase, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from fiatrails.compliance.sanctions.payers import Identity
from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.clock import isoformat
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import Money, parse_money, parse_token_amount
from fiatrails.kernel.references import parse_tx_ref
from fiatrails.purchases.intents import NewIntent
from fiatrails.purchases.models import Intent
from fiatrails.purchases.states import public_status
from fiatrails.screening.entities import EntityType
from fiatrails.screening.matching.screening import Party

_COUNTRY = re.compile(r"[A-Z]{3}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_PAYER_FIELDS = frozenset({"name", "type", "birthDate", "countries", "ids"})
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


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
        payer=read_payer(body.get("payer")),
    )


def _price(fiat: object) -> Money:
    if not isinstance(fiat, dict) or not isinstance(fiat.get("value"), str):
        raise BadInput("malformed_fiat_amount", 'fiatAmount must be {"currency": "KES", "value": "1500.00"}')
    currency = _matching(fiat.get("currency"), _CURRENCY, "fiatAmount.currency must be 3 capital letters, such as KES")
    return parse_money(fiat["value"], currency)


def read_payer(value: object) -> Identity | None:
    """Who stands behind the wallet; None when nothing is said. BadInput names the field."""
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise BadInput("malformed_payer", 'payer must be {"name": "Jane Wanjiku"}, with type, birthDate, ...')
    _require_known(value, _PAYER_FIELDS, "payer.")
    return _identity(value, value["name"], "payer.")


def read_party(body: Mapping[str, Any]) -> Party:
    """Whom to screen: the fields of `payer`, with a name or without one, and `wallets`. BadInput names the field."""
    _require_known(body, _PAYER_FIELDS | {"wallets"}, "")
    name = body.get("name")
    if name is not None and not (isinstance(name, str) and name.strip()):
        raise BadInput("malformed_payer_name", "name must be text that is not blank; leave it out when there is none")
    said = _identity(body, name or "", "")
    wallets = _strings(body.get("wallets"), "wallets must be a list of addresses as strings")
    return Party(said.name, said.type, said.born, said.countries, said.identifiers, wallets)


def _require_known(value: Mapping[str, Any], fields: frozenset[str], within: str) -> None:
    """A date of birth under another name would be lost, and an ordinary namesake held for it."""
    for name in sorted(set(value) - fields)[:1]:
        raise BadInput("malformed_payer", f"{within}{name[:40]} is unknown; there are {', '.join(sorted(fields))}")


def _identity(value: Mapping[str, Any], name: str, within: str) -> Identity:
    """`within`: what the fields are called by in messages."""
    return Identity(
        name=name,
        type=_payer_type(value.get("type"), within),
        born=_birth_date(value.get("birthDate"), within),
        countries=_strings(value.get("countries"), f'{within}countries must be a list such as ["KE"]'),
        identifiers=_strings(value.get("ids"), f"{within}ids must be a list of numbers as strings"),
    )


def _payer_type(value: object, within: str) -> EntityType | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in (EntityType.PERSON, EntityType.ORGANIZATION):
        raise BadInput("malformed_payer", f"{within}type must be person or organization")
    return EntityType(value)


def _birth_date(value: object, within: str) -> date | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise BadInput("malformed_payer", f"{within}birthDate must be a day such as 1991-04-02")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise BadInput("malformed_payer", f"{within}birthDate is no day of the calendar") from None


def _strings(value: object, message: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadInput("malformed_payer", message)
    return tuple(value)


def _matching(value: object, pattern: re.Pattern[str], message: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadInput("malformed_field", message)
    return value


def created(intent: Intent) -> dict[str, object]:
    """What the maker of an intent is told."""
    return {
        "intentId": intent.intent_id,
        "status": public_status(intent.state),
        "txHash": intent.delivery.transaction,
        "createdAt": isoformat(intent.created_at),
    }


def shown(intent: Intent) -> dict[str, object]:
    """An intent as read."""
    return {
        "intentId": intent.intent_id,
        "user": intent.delivery.recipient,
        "amount": str(intent.delivery.amount),
        "countryCode": intent.delivery.asset,
        "txRef": intent.tx_ref,
        "status": public_status(intent.state),
        "txHash": intent.delivery.transaction,
        "createdAt": isoformat(intent.created_at),
        "executedAt": _moment(intent.executed_at),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else isoformat(moment)
