"""Mint intents: make one, read one, list them."""

from __future__ import annotations

import structlog
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request

from fiatrails.api.bodies import json_object
from fiatrails.api.clock import CLOCK
from fiatrails.api.errors import Error, error_response
from fiatrails.api.idempotency import KEY_SCHEMA, StoredResponse, key_of, run_once
from fiatrails.api.openapi.answers import LinkedResponse, response_header, signed_refusals
from fiatrails.api.plain import json_response
from fiatrails.api.shapes import read
from fiatrails.api.v1.fields import INTENT_ID
from fiatrails.api.v1.listing import MintIntentQuery, list_intents
from fiatrails.api.v1.mint_intent_shapes import (
    CreatedMintIntent,
    MintIntent,
    MintIntentPage,
    NewMintIntent,
    TxRefConflict,
)
from fiatrails.api.v1.signed import SignedView, client_of
from fiatrails.kernel.errors import Conflict, NotFound
from fiatrails.purchases.opening import NewPurchase, create_purchase
from fiatrails.purchases.queries import get_purchase

_TAGS = ["mint-intents"]
_KEY = OpenApiParameter(
    "X-Idempotency-Key",
    KEY_SCHEMA,
    OpenApiParameter.HEADER,
    required=True,
    description="16 to 128 printable ASCII characters, one per intent",
)
_REPLAYED = response_header("Idempotent-Replayed", {"type": "string", "const": "true"}, [201], "On a repetition")
_MADE = LinkedResponse(
    CreatedMintIntent,
    "Made, now or by an earlier request with this key.",
    read={"operationId": "readMintIntent", "parameters": {"intentId": "$response.body#/intentId"}},
    find={"operationId": "listMintIntents", "parameters": {"txRef": "$request.body#/txRef"}},
    pay={"operationId": "mpesaGatewayCallback", "requestBody": {"txRef": "$request.body#/txRef"}},
)


class MintIntents(SignedView):
    """The collection."""

    http_method_names = ["get", "post"]

    @extend_schema(
        operation_id="createMintIntent",
        tags=_TAGS,
        summary="Make an intent",
        description="Once per X-Idempotency-Key: the same key with the same body (as JSON values) is answered as "
        "before for 24 hours. A key is bound to its body when an intent was made; after a refusal it may be used "
        "again.",
        parameters=[_KEY, _REPLAYED],
        request=NewMintIntent,
        responses={
            201: _MADE,
            409: OpenApiResponse(
                TxRefConflict, "The txRef is used, or the first request with this key is still running."
            ),
            422: OpenApiResponse(Error, "Outside the limits, or the key was used for another body."),
            **signed_refusals(415),
        },
    )
    def post(self, request: Request) -> HttpResponse:
        """Make an intent, once per X-Idempotency-Key."""
        key = key_of(request._request)
        body = json_object(request._request)
        wanted = read(NewMintIntent, body).wanted()
        client = client_of(request)
        try:
            answer = run_once(client=client, key=key, body=body, now=CLOCK.now(), work=lambda: _make(wanted, client))
        except Conflict as conflict:
            if conflict.existing is None:
                raise
            return _refer(conflict, client)
        headers = {"Idempotent-Replayed": "true"} if answer.replayed else None
        return HttpResponse(answer.body, status=answer.status, headers=headers, content_type="application/json")

    @extend_schema(
        operation_id="listMintIntents",
        tags=_TAGS,
        summary="List the caller's intents, newest first",
        parameters=[MintIntentQuery],  # type: ignore[list-item] # the library's extension takes models
        responses={200: OpenApiResponse(MintIntentPage, "A page."), **signed_refusals()},
    )
    def get(self, request: Request) -> HttpResponse:
        """List the caller's intents, newest first."""
        query = read(MintIntentQuery, request.query_params.dict())
        return json_response(list_intents(query, client=client_of(request)))


class OneMintIntent(SignedView):
    """One intent."""

    http_method_names = ["get"]

    @extend_schema(
        operation_id="readMintIntent",
        tags=_TAGS,
        summary="Read one of the caller's intents",
        responses={200: OpenApiResponse(MintIntent, "The intent."), **signed_refusals(404)},
    )
    def get(self, request: Request, intent_id: str) -> HttpResponse:
        """Show one of the caller's intents."""
        wanted = intent_id.lower()
        if not INTENT_ID.fullmatch(wanted):
            raise NotFound("intent_not_found", "no such intent")
        structlog.contextvars.bind_contextvars(intent_id=wanted)
        return json_response(MintIntent.of(get_purchase(intent_id=wanted, client=client_of(request))))


def _make(wanted: NewPurchase, client: str) -> StoredResponse:
    purchase = create_purchase(request=wanted, client=client, now=CLOCK.now())
    structlog.contextvars.bind_contextvars(intent_id=purchase.intent_id)
    return StoredResponse(201, CreatedMintIntent.of(purchase).as_json())


def _refer(conflict: Conflict, client: str) -> HttpResponse:
    """409 with the intent that the txRef belongs to."""
    existing = get_purchase(intent_id=str(conflict.existing), client=client)
    return error_response(
        conflict.code,
        conflict.message,
        conflict.status,
        shape=TxRefConflict,
        intent_id=existing.intent_id,
        intent=MintIntent.of(existing),
    )
