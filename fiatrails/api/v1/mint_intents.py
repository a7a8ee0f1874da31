"""Mint intents: make one, read one, list them."""

from __future__ import annotations

import json
import re

import structlog
from django.http import HttpResponse
from rest_framework.request import Request

from fiatrails.api.bodies import json_object
from fiatrails.api.clock import CLOCK
from fiatrails.api.errors import error_response
from fiatrails.api.idempotency import Answer, key_of, once
from fiatrails.api.plain import json_response
from fiatrails.api.v1.listing import list_intents
from fiatrails.api.v1.shapes import created, read_new_intent, shown
from fiatrails.api.v1.signed import SignedView, client_of
from fiatrails.kernel.errors import Conflict, NotFound
from fiatrails.purchases.intents import NewIntent, create_intent, get_intent

_INTENT_ID = re.compile(r"0x[0-9a-f]{64}", re.ASCII)


class MintIntents(SignedView):
    """The collection."""

    http_method_names = ["get", "post"]

    def post(self, request: Request) -> HttpResponse:
        """Makes an intent, once per X-Idempotency-Key."""
        key = key_of(request._request)
        body = json_object(request._request)
        wanted = read_new_intent(body)
        client = client_of(request)
        try:
            answer = once(client=client, key=key, body=body, now=CLOCK.now(), work=lambda: _make(wanted, client))
        except Conflict as conflict:
            if conflict.existing is None:
                raise
            return _refer(conflict, client)
        headers = {"Idempotent-Replayed": "true"} if answer.replayed else None
        return HttpResponse(answer.body, status=answer.status, headers=headers, content_type="application/json")

    def get(self, request: Request) -> HttpResponse:
        """Lists the caller's intents, newest first."""
        page = list_intents(request.query_params.dict(), client=client_of(request))
        return json_response({"items": [shown(i) for i in page.intents], "nextCursor": page.next_cursor})


class MintIntent(SignedView):
    """One intent."""

    http_method_names = ["get"]

    def get(self, request: Request, intent_id: str) -> HttpResponse:
        """Shows one of the caller's intents."""
        wanted = intent_id.lower()
        if not _INTENT_ID.fullmatch(wanted):
            raise NotFound("intent_not_found", "no such intent")
        structlog.contextvars.bind_contextvars(intent_id=wanted)
        return json_response(shown(get_intent(intent_id=wanted, client=client_of(request))))


def _make(wanted: NewIntent, client: str) -> Answer:
    intent = create_intent(request=wanted, client=client, now=CLOCK.now())
    structlog.contextvars.bind_contextvars(intent_id=intent.intent_id)
    return Answer(201, json.dumps(created(intent), separators=(",", ":")))


def _refer(conflict: Conflict, client: str) -> HttpResponse:
    """409 with the intent that the txRef belongs to."""
    existing = get_intent(intent_id=str(conflict.existing), client=client)
    return error_response(
        conflict.code, conflict.message, conflict.status, intentId=existing.intent_id, intent=shown(existing)
    )
