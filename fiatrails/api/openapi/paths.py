"""The operations of the OpenAPI document; a test holds them against the URLs that are really served."""

from __future__ import annotations

from typing import Any

from fiatrails.api.openapi.components import Schema, answer
from fiatrails.api.v1.listing import DEFAULT_LIMIT, MAX_LIMIT, STATUSES

_SIGNED: list[Schema] = [{"signature": [], "timestamp": []}]
_REPLAYED = {"Idempotent-Replayed": {"schema": {"type": "string", "const": "true"}, "description": "On a repetition"}}


def _errors(**codes: str) -> Schema:
    """`_400="BadInput"` -> the shared response."""
    return {code.lstrip("_"): {"$ref": f"#/components/responses/{name}"} for code, name in codes.items()}


_EVERYWHERE = _errors(_405="MethodNotAllowed", _413="TooLarge", _503="Unavailable")
_AUTHENTICATED = {**_errors(_400="BadInput", _401="Unauthorized", _403="GeoRestricted", _429="TooMany"), **_EVERYWHERE}


def _body(schema: str) -> Schema:
    return {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _query(name: str, description: str, **schema: Any) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _header(name: str, description: str, *, required: bool = False, **schema: Any) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string", **schema},
    }


_KEY_ID = _header("X-Key-Id", "Which key signed. Without it, the keys of the client `default` are tried.")

_MINT_INTENTS: Schema = {
    "post": {
        "operationId": "createMintIntent",
        "tags": ["mint-intents"],
        "summary": "Make an intent",
        "description": (
            "Once per X-Idempotency-Key: the same key with the same body (as JSON values) is answered as before for "
            "24 hours. A key is bound to its body when an intent was made; after a refusal it may be used again."
        ),
        "security": _SIGNED,
        "parameters": [
            _header(
                "X-Idempotency-Key", "16 to 128 printable ASCII characters, one per intent", required=True,
                minLength=16, maxLength=128, pattern="^[!-~]{16,128}$",
            ),
            _KEY_ID,
        ],
        "requestBody": _body("NewMintIntent"),
        "responses": {
            "201": {
                **answer("Made, now or by an earlier request with this key.", "CreatedMintIntent", **_REPLAYED),
                "links": {
                    "read": {"operationId": "readMintIntent", "parameters": {"intentId": "$response.body#/intentId"}},
                    "find": {"operationId": "listMintIntents", "parameters": {"txRef": "$request.body#/txRef"}},
                    "pay": {"operationId": "mpesaGatewayCallback", "requestBody": {"txRef": "$request.body#/txRef"}},
                },
            },
            **_AUTHENTICATED,
            "409": answer("The txRef is used, or the first request with this key is still running.", "TxRefConflict"),
            **_errors(_415="WrongMediaType"),
            "422": answer("Outside the limits, or the key was used for another body.", "Error"),
        },
    },
    "get": {
        "operationId": "listMintIntents",
        "tags": ["mint-intents"],
        "summary": "List the caller's intents, newest first",
        "security": _SIGNED,
        "parameters": [
            _query("status", "Only these", type="string", enum=list(STATUSES)),
            _query("txRef", "Exactly this", type="string", minLength=1, maxLength=128),
            _query("user", "Exactly this", type="string", pattern="^0x[0-9a-fA-F]{40}$"),
            _query("createdAfter", "Later than this, with time zone", type="string", format="date-time"),
            _query("createdBefore", "Earlier than this, with time zone", type="string", format="date-time"),
            _query("limit", "Size of a page", type="integer", minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT),
            _query("cursor", "nextCursor of the page before", type="string"),
            _KEY_ID,
        ],
        "responses": {"200": answer("A page.", "MintIntentPage"), **_AUTHENTICATED},
    },
}  # fmt: skip
_MINT_INTENT: Schema = {
    "get": {
        "operationId": "readMintIntent",
        "tags": ["mint-intents"],
        "summary": "Read one of the caller's intents",
        "security": _SIGNED,
        "parameters": [
            {"name": "intentId", "in": "path", "required": True, "schema": {"type": "string"}},
            _KEY_ID,
        ],
        "responses": {"200": answer("The intent.", "MintIntent"), **_AUTHENTICATED, **_errors(_404="NotFound")},
    }
}
_SCREENINGS: Schema = {
    "post": {
        "operationId": "createScreening",
        "tags": ["screenings"],
        "summary": "Screen a name, a wallet or a number against the sanctions lists in force",
        "description": (
            "Every question is answered anew, on the list of the moment, and kept with its answer; there is no "
            "idempotency key, and an answer moves no payment. 503 `sanctions_unusable`: no list can be relied on now."
        ),
        "security": _SIGNED,
        "parameters": [_KEY_ID],
        "requestBody": _body("NewScreening"),
        "responses": {
            "200": {
                **answer("What was found.", "Screening"),
                "links": {
                    "read": {"operationId": "readScreening", "parameters": {"screeningId": "$response.body#/id"}},
                },
            },
            **_AUTHENTICATED,
            **_errors(_415="WrongMediaType"),
        },
    }
}
_SCREENING: Schema = {
    "get": {
        "operationId": "readScreening",
        "tags": ["screenings"],
        "summary": "Read one of the caller's screenings, as it was answered",
        "description": "The bytes of the first answer, whatever the lists say now.",
        "security": _SIGNED,
        "parameters": [
            {"name": "screeningId", "in": "path", "required": True, "schema": {"type": "string"}},
            _KEY_ID,
        ],
        "responses": {"200": answer("The answer.", "Screening"), **_AUTHENTICATED, **_errors(_404="NotFound")},
    }
}
_GATEWAY: Schema = {
    "post": {
        "operationId": "mpesaGatewayCallback",
        "tags": ["callbacks"],
        "summary": "A signed payment confirmation",
        "description": (
            "200 only after the payment is on disk. The Content-Type is not looked at. An unknown txRef is kept and "
            "matched when its intent arrives. 503: nothing was kept, send it again."
        ),
        "security": [{"gateway": []}],
        "requestBody": _body("GatewayCallback"),
        "responses": {
            "200": answer("Kept, now or before.", "CallbackAnswer"),
            **_errors(_400="BadInput", _401="Unauthorized"),
            "409": answer("Received before with other content; both are kept, the first one counts.", "Error"),
            **_EVERYWHERE,
        },
    }
}


def _daraja(operation_id: str, summary: str, *parameters: str) -> Schema:
    return {
        "post": {
            "operationId": operation_id,
            "tags": ["callbacks"],
            "summary": summary,
            "description": "Daraja's own body. From allowed addresses and with the right token only, else 404.",
            "security": [],
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in ("token", *parameters)
            ],
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
            "responses": {
                "200": answer("Daraja's answer.", "DarajaAnswer"),
                **_errors(_400="BadInput", _404="NotFound"),
                **_EVERYWHERE,
            },
        }
    }


DARAJA: Schema = {
    "stk": _daraja("darajaStk", "What became of an STK push"),
    "stk/{reference}": _daraja("darajaStkOf", "What became of the STK push with this reference", "reference"),
    "c2b/validation": _daraja("darajaValidation", "May this payment to the paybill be made"),
    "c2b/confirmation": _daraja("darajaConfirmation", "A payment to the paybill was made"),
    "result/{reference}": _daraja("darajaResult", "Result of a status query or a reversal", "reference"),
    "timeout/{reference}": _daraja("darajaTimeout", "A request waited too long in M-PESA's queue", "reference"),
}
_HEALTH: Schema = {
    "get": {
        "operationId": "health",
        "tags": ["operation"],
        "summary": "Whether payments can be taken, and how the rest is",
        "security": [],
        "responses": {
            "200": answer("Payments can be taken; `degraded` names what is not well.", "Health"),
            **_errors(_405="MethodNotAllowed"),
            "503": answer("A payment could not be kept durably.", "Health"),
        },
    }
}


def _text(operation_id: str, summary: str, media_type: str, **more: Any) -> Schema:
    return {
        "get": {
            "operationId": operation_id,
            "tags": ["operation"],
            "summary": summary,
            "security": [],
            "responses": {
                "200": {"description": summary, "content": {media_type: {"schema": {}}}},
                **_errors(_405="MethodNotAllowed"),
                **more,
            },
        }
    }


PATHS: Schema = {
    "/api/v1/mint-intents": _MINT_INTENTS,
    "/api/v1/mint-intents/{intentId}": _MINT_INTENT,
    "/api/v1/screenings": _SCREENINGS,
    "/api/v1/screenings/{screeningId}": _SCREENING,
    "/api/v1/callbacks/mpesa": _GATEWAY,
    **{f"/api/v1/callbacks/mpesa/{{token}}/{name}": item for name, item in DARAJA.items()},
    "/health": _HEALTH,
    "/metrics": _text("metrics", "Prometheus metrics", "text/plain"),
    "/api/v1/schema": _text(
        "schema", "This document", "application/vnd.oai.openapi+json", **_errors(_429="TooMany", _503="Unavailable")
    ),
}
# The same address without a prefix, or under another one.
ALIASES: dict[str, str] = {
    "/mint-intents": "/api/v1/mint-intents",
    "/mint-intents/{intentId}": "/api/v1/mint-intents/{intentId}",
    "/callbacks/mpesa": "/api/v1/callbacks/mpesa",
    "/health/": "/health",
    **{
        f"/callbacks/{prefix}/{{token}}/{name}": f"/api/v1/callbacks/mpesa/{{token}}/{name}"
        for prefix in ("mpesa", "till")
        for name in DARAJA
    },
}
