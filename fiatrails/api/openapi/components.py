"""Schemas, parameters, headers and error responses of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from fiatrails.api.bodies import MAX_BODY_BYTES
from fiatrails.api.v1.listing import STATUSES
from fiatrails.compliance.sanctions.payers import MAX_IDENTIFIER, MAX_ITEMS, MAX_NAME
from fiatrails.kernel.countries import ALPHA2
from fiatrails.screening.entities import EntityType
from fiatrails.screening.matching.evidence import Agreement
from fiatrails.screening.matching.screening import MAX_HITS, Band
from fiatrails.screening.matching.wallets import MAX_CHARACTERS

Schema = dict[str, Any]

_TIME = {"type": "string", "format": "date-time", "examples": ["2026-11-01T12:00:00.000Z"]}
_INTENT_ID = {"type": "string", "pattern": "^0x[0-9a-f]{64}$", "description": "32 bytes; also the key on chain"}
_TX_HASH = {"type": ["string", "null"], "description": "null until there is a transaction"}
_TX_REF = {
    "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]([ -~]{0,126}[!-~])?$",
    "description": "Names the payment; printable ASCII without blanks at the ends",
}  # fmt: skip
_ADDRESS = {"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$", "description": "EVM address, not the zero address"}
_COUNTRY = {"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["KES"]}
_STATUS = {"type": "string", "enum": list(STATUSES)}


def _object(properties: Schema, *, required: list[str] | None = None, **more: Any) -> Schema:
    return {
        "type": "object",
        "required": list(properties) if required is None else required,
        "properties": properties,
        **more,
    }


_TEXT = r"^[^\x00]*\S[^\x00]*$"
_BAND = {"type": "string", "enum": [band.value for band in Band]}
_WORDS = {"type": "array", "items": {"type": "string"}}
_PAYER: Schema = {
    "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": _TEXT},
    "type": {"type": "string", "enum": ["person", "organization"]},
    "birthDate": {"type": "string", "format": "date", "examples": ["1991-04-02"]},
    "countries": {"type": "array", "maxItems": MAX_ITEMS, "items": {"$ref": "#/components/schemas/Country"}},
    "ids": {
        "type": "array", "maxItems": MAX_ITEMS,
        "items": {"type": "string", "minLength": 1, "maxLength": MAX_IDENTIFIER, "pattern": _TEXT},
    },
}  # fmt: skip
_HIT: Schema = _object(
    {
        "entity": {"type": "string", "examples": ["SDN:25308"]},
        "name": {"type": "string", "description": "The entity's primary name"},
        "type": {"type": "string", "enum": [kind.value for kind in EntityType]},
        "programs": _WORDS,
        "band": _BAND,
        "score": {"type": ["number", "null"], "description": "0 to 1; null when the name is not why"},
        "ofacScore": {"type": "integer", "description": "0 to 100, about what OFAC's own search would say"},
        "listedName": {"type": ["string", "null"], "description": "The name of the entity that came closest"},
        "reasons": {**_WORDS, "description": "Sentences for people"},
        "features": {"type": "object", "additionalProperties": {"type": "number"}, "description": "Log-odds added"},
        "wallets": {**_WORDS, "description": "Of those asked about, the listed ones"},
        "evidence": {
            "type": "array",
            "items": _object(
                {
                    "subject": {"type": "string", "enum": ["birth", "country", "identifier"]},
                    "verdict": {"type": "string", "enum": [agreement.value for agreement in Agreement]},
                    "detail": {"type": "string"},
                }
            ),
        },
    }
)


SCHEMAS: Schema = {
    "Country": {"type": "string", "enum": sorted(ALPHA2), "description": "ISO 3166-1 alpha-2"},
    "Payer": _object(
        _PAYER,
        required=["name"],
        description="Who stands behind the wallet; screened against the sanctions lists before anything is minted",
    ),
    "NewScreening": _object(
        {
            **_PAYER,
            "wallets": {
                "type": "array", "maxItems": MAX_ITEMS, "description": "Of any chain: 0x..., base58, bech32",
                "items": {
                    "type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS, "pattern": r"^[^\s\x00-\x1f]+$",
                },
            },
        },
        required=[],
        anyOf=[{"required": [field]} for field in ("name", "wallets", "ids")],
        description="Whom to screen. Unknown fields are ignored; a repeated one is refused.",
    ),
    "Screening": _object(
        {
            "id": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "Names the kept answer; quote it"},
            "band": {**_BAND, "description": "The highest of the hits; review also when something is not screenable"},
            "why": {"type": "string", "description": "One line for people"},
            "problem": {"type": ["string", "null"], "description": "What could not be screened"},
            "list": _object(
                {
                    "ids": {"type": "array", "items": {"type": "integer"}},
                    "digest": {"type": "string"},
                    "published": {"type": ["string", "null"], "format": "date"},
                    "fetchedAt": {**_TIME, "type": ["string", "null"]},
                    "isSample": {"type": "boolean", "description": "true: the bundled sample, which finds little"},
                }
            ),
            "algorithm": {"type": "string"},
            "hits": {"type": "array", "maxItems": MAX_HITS, "items": {"$ref": "#/components/schemas/ScreeningHit"}},
        }
    ),
    "ScreeningHit": _HIT,
    "NewMintIntent": _object(
        {
            "user": _ADDRESS,
            "amount": {
                "type": "string", "pattern": "^[1-9][0-9]{0,77}$", "examples": ["1500000000000000000000"],
                "description": "Base units of the token (18 decimals), within the deployment's limits",
            },
            "countryCode": _COUNTRY,
            "txRef": _TX_REF,
            "fiatAmount": {
                **_object(
                    {
                        "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["KES"]},
                        "value": {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,18})?$"},
                    }
                ),
                "description": "What has to be paid; without it one token costs one unit of the country's currency",
            },
            "payer": {"$ref": "#/components/schemas/Payer"},
        },
        required=["user", "amount", "countryCode", "txRef"],
        description="Unknown fields are ignored; a repeated one is refused.",
    ),
    "CreatedMintIntent": _object(
        {"intentId": _INTENT_ID, "status": _STATUS, "txHash": _TX_HASH, "createdAt": _TIME}
    ),
    "MintIntent": _object(
        {
            "intentId": _INTENT_ID, "user": _ADDRESS, "amount": {"type": "string", "pattern": "^[1-9][0-9]{0,77}$"},
            "countryCode": _COUNTRY, "txRef": _TX_REF, "status": _STATUS, "txHash": _TX_HASH, "createdAt": _TIME,
            "executedAt": {**_TIME, "type": ["string", "null"]},
        }
    ),
    "MintIntentPage": _object(
        {
            "items": {"type": "array", "items": {"$ref": "#/components/schemas/MintIntent"}},
            "nextCursor": {"type": ["string", "null"], "description": "null on the last page"},
        }
    ),
    "GatewayCallback": _object(
        {
            "txRef": _TX_REF,
            "amount": {"type": ["string", "number"], "description": "What was paid, in the currency of the paybill"},
            "phone": {"type": ["string", "integer"], "examples": ["254712345678"]},
            "timestamp": {"type": ["integer", "string"], "description": "Unix seconds of sending"},
            "metadata": {
                "type": ["object", "null"],
                "properties": {"receipt": {"type": "string", "pattern": "^[A-Za-z0-9-]{4,64}$"}},
                "description": "receipt: M-PESA's receipt number, which makes the payment unique",
            },
        },
        required=["txRef", "amount", "phone", "timestamp"],
    ),
    "CallbackAnswer": _object(
        {
            "status": {"type": "string", "enum": ["processed", "already_processed"]},
            "intentId": {"type": ["string", "null"], "description": "null while no intent has this txRef"},
        }
    ),
    "DarajaAnswer": _object({"ResultCode": {"type": "string"}, "ResultDesc": {"type": "string"}}),
    "Health": _object(
        {
            "status": {"type": "string", "enum": ["healthy", "degraded"]},
            "rpc": _object({"connected": {"type": "boolean"}, "latency_ms": {"type": ["number", "null"]}}),
            "queue_depth": {"type": ["integer", "null"], "description": "Payments taken and not yet final on chain"},
            "checks": {
                "type": "object",
                "additionalProperties": {"type": "string", "enum": ["healthy", "unhealthy", "disabled"]},
            },
            "modes": {"type": "array", "items": {"type": "string"}, "description": "Modes in force; none is normal"},
        }
    ),
    "Error": _object(
        {
            "error": {"type": "string", "description": "A stable word for programs"},
            "message": {"type": "string", "description": "What to do, for people"},
            "requestId": {"type": "string", "description": "As in X-Request-Id; quote it"},
            "retry_after": {"type": "integer", "description": "Seconds, when waiting helps"},
        },
        required=["error", "message", "requestId"],
    ),
    "GeoRestricted": {
        "allOf": [
            {"$ref": "#/components/schemas/Error"},
            _object({"country": {"type": "string", "description": "ISO 3166-1 alpha-2, or `unknown`"}}),
        ]
    },
    "TxRefConflict": {
        "allOf": [
            {"$ref": "#/components/schemas/Error"},
            _object(
                {"intentId": _INTENT_ID, "intent": {"$ref": "#/components/schemas/MintIntent"}}, required=[],
                description="intentId and intent: the existing one, when the txRef is the caller's own",
            ),
        ]
    },
}  # fmt: skip

_REQUEST_ID = {
    "X-Request-Id": {"schema": {"type": "string"}, "description": "The request's X-Request-Id, or a new one"}
}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}


def answer(description: str, schema: str, **headers: Any) -> Schema:
    """A JSON response with one of the schemas above."""
    return {
        "description": description,
        "headers": {**_REQUEST_ID, **headers},
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


RESPONSES: Schema = {
    "BadInput": answer("The request is malformed; the message names the field. Nothing was changed.", "Error"),
    "Unauthorized": answer(
        "Signature missing or wrong, key unknown or not valid now, or timestamp outside the window (300 s, both ways).",
        "Error",
        **{"WWW-Authenticate": {"schema": {"type": "string"}}},
    ),
    "GeoRestricted": answer("The country of the caller's address is not served here.", "GeoRestricted"),
    "NotFound": answer("No such thing, or none of this caller's.", "Error"),
    "MethodNotAllowed": answer("Another method.", "Error", Allow={"schema": {"type": "string"}}),
    "TooLarge": answer(f"The body is larger than {MAX_BODY_BYTES} bytes.", "Error"),
    "WrongMediaType": answer("The body is not declared as application/json.", "Error"),
    "TooMany": answer("Over the quota of this minute.", "Error", **_RETRY_AFTER),
    "Unavailable": answer("Cannot be done durably now; nothing was accepted. Send it again.", "Error", **_RETRY_AFTER),
}

SECURITY_SCHEMES: Schema = {
    "signature": {
        "type": "apiKey", "in": "header", "name": "X-Request-Signature",
        "description": "Hex HMAC-SHA256(secret, X-Request-Timestamp + raw body); the body of a GET is empty.",
    },
    "timestamp": {
        "type": "apiKey", "in": "header", "name": "X-Request-Timestamp", "description": "Unix seconds of signing",
    },
    "gateway": {
        "type": "apiKey", "in": "header", "name": "X-Mpesa-Signature",
        "description": "Hex HMAC-SHA256(secret, raw body)",
    },
}  # fmt: skip
COMPONENTS: Schema = {"schemas": SCHEMAS, "responses": RESPONSES, "securitySchemes": SECURITY_SCHEMES}
