"""Fields that several shapes have: how each is read, and how it is described."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, PlainSerializer, RootModel, WithJsonSchema

from fiatrails.api.shapes import JsonSchema, Parsed, Refusal, Text
from fiatrails.kernel import references
from fiatrails.kernel.addresses import ADDRESS, parse_address
from fiatrails.kernel.clock import isoformat
from fiatrails.kernel.countries import ALPHA2
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import TOKEN_AMOUNT, parse_token_amount

STATUSES = ("pending", "executed", "refunded", "failed")
INTENT_ID = re.compile(r"0x[0-9a-f]{64}", re.ASCII)


def matching(pattern: re.Pattern[str], **more: Any) -> JsonSchema:
    """Return the description of text that the whole pattern matches."""
    return {"type": "string", "pattern": f"^{pattern.pattern}$", **more}


def one_of(kinds: type[StrEnum]) -> WithJsonSchema:
    """Return the description of an enumeration without what its docstring tells programmers."""
    return WithJsonSchema({"type": "string", "enum": [kind.value for kind in kinds]})


def described(**more: Any) -> Any:
    """Return what is described of a field without being checked by it."""
    return Field(json_schema_extra=more)


def _status(value: object) -> str:
    if value not in STATUSES:
        raise BadInput("malformed_status", f"status must be one of {', '.join(STATUSES)}")
    return str(value)


_TOKEN_AMOUNT = matching(
    TOKEN_AMOUNT,
    examples=["1500000000000000000000"],
    description="Base units of the token (18 decimals), within the deployment's limits",
)
_TX_REF = matching(
    references.TX_REF,
    minLength=1,
    maxLength=128,
    description="Names the payment; printable ASCII without blanks at the ends",
)

Address = Annotated[str, Parsed(parse_address, matching(ADDRESS, description="EVM address, not the zero address"))]
TokenAmount = Annotated[int, Parsed(parse_token_amount, _TOKEN_AMOUNT)]
TxRef = Annotated[str, Parsed(references.parse_tx_ref, _TX_REF)]
ThreeLetters = Annotated[
    str,
    Field(pattern="^[A-Z]{3}$", examples=["KES"]),
    Refusal("malformed_field", "{field} must be 3 capital letters, such as KES"),
]
Status = Annotated[str, Parsed(_status, {"type": "string", "enum": list(STATUSES)})]
IntentId = Annotated[str, WithJsonSchema(matching(INTENT_ID, description="32 bytes; also the key on chain"))]
Moment = Annotated[
    datetime,
    PlainSerializer(isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-01T12:00:00.000Z"]}),
]


def _countries(schema: JsonSchema) -> None:
    schema.pop("title", None)
    schema["enum"] = sorted(ALPHA2)


class Country(RootModel[Text]):
    """ISO 3166-1 alpha-2"""

    model_config = ConfigDict(frozen=True, json_schema_extra=_countries)
