"""Screenings: may this name, wallet or number be somebody who is listed?"""

from __future__ import annotations

import structlog
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request

from fiatrails.api.bodies import json_object
from fiatrails.api.clock import CLOCK
from fiatrails.api.openapi.answers import LinkedResponse, signed_refusals
from fiatrails.api.shapes import read
from fiatrails.api.v1.screening_shapes import NewScreening, Screening
from fiatrails.api.v1.signed import SignedView, client_of
from fiatrails.compliance.sanctions import screenings
from fiatrails.compliance.sanctions.screenings import Answered

_TAGS = ["screenings"]
_FOUND = LinkedResponse(
    Screening,
    "What was found.",
    read={"operationId": "readScreening", "parameters": {"screeningId": "$response.body#/id"}},
)


class Screenings(SignedView):
    """Questions. Each is answered anew, on the list of the moment, and kept; there is no idempotency key."""

    http_method_names = ["post"]

    @extend_schema(
        operation_id="createScreening",
        tags=_TAGS,
        summary="Screen a name, a wallet or a number against the sanctions lists in force",
        description="Every question is answered anew, on the list of the moment, and kept with its answer; there is no "
        "idempotency key, and an answer moves no payment. 503 `sanctions_unusable`: no list can be relied on now.",
        request=NewScreening,
        responses={200: _FOUND, **signed_refusals(415)},
    )
    def post(self, request: Request) -> HttpResponse:
        """Screen a party; moves no payment."""
        party = read(NewScreening, json_object(request._request)).party()
        answered = screenings.ask(party, client=client_of(request), shown=_text, now=CLOCK.now())
        structlog.contextvars.bind_contextvars(screening_id=answered.screening_id)
        return HttpResponse(answered.text, content_type="application/json")


class OneScreening(SignedView):
    """One question that was answered."""

    http_method_names = ["get"]

    @extend_schema(
        operation_id="readScreening",
        tags=_TAGS,
        summary="Read one of the caller's screenings, as it was answered",
        description="The bytes of the first answer, whatever the lists say now.",
        responses={200: OpenApiResponse(Screening, "The answer."), **signed_refusals(404)},
    )
    def get(self, request: Request, screening_id: str) -> HttpResponse:
        """Return what the caller was answered, byte by byte."""
        kept = screenings.get(screening_id=screening_id, client=client_of(request))
        structlog.contextvars.bind_contextvars(screening_id=kept.screening_id)
        return HttpResponse(kept.answer, content_type="application/json")


def _text(answered: Answered) -> str:
    return Screening.of(answered).as_json()
