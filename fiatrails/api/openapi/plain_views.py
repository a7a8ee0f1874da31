"""Operations that are no views of Django REST framework: callbacks, and what is open to everybody."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from fiatrails.api.errors import Error
from fiatrails.api.open.health import Health
from fiatrails.api.openapi.answers import callback_refusals, refusals
from fiatrails.api.webhooks.shapes import CallbackAnswer, DarajaAnswer, GatewayCallback

# path, regular expression of the path, method, view: as drf-spectacular passes them.
Endpoint = tuple[str, str, str, Any]


def endpoints() -> list[Endpoint]:
    """Return all of them."""
    return [
        ("/api/v1/callbacks/mpesa", "", "POST", _GATEWAY),
        *((f"{DARAJA}{name}", "", "POST", view) for name, view in DARAJA_VIEWS.items()),
        ("/health", "", "GET", _HEALTH),
        ("/metrics", "", "GET", _text("metrics", "Prometheus metrics", "text/plain", 405)),
        ("/api/v1/schema", "", "GET", _text("schema", "This document", _OPENAPI, 405, 429, 503)),
    ]


def _view(method: str, tag: str, **described: Any) -> Any:
    """Return a view that is never called: the library describes views of Django REST framework only."""

    def handle(_self: APIView, _request: Request) -> None: ...

    described = {"tags": [tag], "auth": [], **described}
    shown: type[APIView] = type(
        "Described", (APIView,), {"authentication_classes": (), method: extend_schema(**described)(handle)}
    )
    return shown.as_view()


_GATEWAY = _view(
    "post",
    "callbacks",
    operation_id="mpesaGatewayCallback",
    summary="A signed payment confirmation",
    description="200 only after the payment is on disk. The Content-Type is not looked at. An unknown txRef is kept "
    "and matched when its intent arrives. 503: nothing was kept, send it again.",
    auth=[{"gateway": []}],
    request=GatewayCallback,
    responses={
        200: OpenApiResponse(CallbackAnswer, "Kept, now or before."),
        409: OpenApiResponse(Error, "Received before with other content; both are kept, the first one counts."),
        **callback_refusals(401),
    },
)


def _daraja(operation_id: str, summary: str, *parameters: str) -> Any:
    return _view(
        "post",
        "callbacks",
        operation_id=operation_id,
        summary=summary,
        description="Daraja's own body. From allowed addresses and with the right token only, else 404.",
        parameters=[OpenApiParameter(name, str, OpenApiParameter.PATH) for name in ("token", *parameters)],
        request={"application/json": {"type": "object"}},
        responses={200: OpenApiResponse(DarajaAnswer, "Daraja's answer."), **callback_refusals(404)},
    )


DARAJA = "/api/v1/callbacks/mpesa/{token}/"
DARAJA_VIEWS = {
    "stk": _daraja("darajaStk", "What became of an STK push"),
    "stk/{reference}": _daraja("darajaStkOf", "What became of the STK push with this reference", "reference"),
    "c2b/validation": _daraja("darajaValidation", "May this payment to the paybill be made"),
    "c2b/confirmation": _daraja("darajaConfirmation", "A payment to the paybill was made"),
    "result/{reference}": _daraja("darajaResult", "Result of a status query or a reversal", "reference"),
    "timeout/{reference}": _daraja("darajaTimeout", "A request waited too long in M-PESA's queue", "reference"),
}
_HEALTH = _view(
    "get",
    "operation",
    operation_id="health",
    summary="Whether payments can be taken, and how the rest is",
    responses={
        200: OpenApiResponse(Health, "Payments can be taken; `degraded` names what is not well."),
        503: OpenApiResponse(Health, "A payment could not be kept durably."),
        **refusals(405),
    },
)
_OPENAPI = "application/vnd.oai.openapi+json"


def _text(operation_id: str, summary: str, media_type: str, *codes: int) -> Any:
    answer = OpenApiResponse(OpenApiTypes.ANY, summary)
    return _view(
        "get",
        "operation",
        operation_id=operation_id,
        summary=summary,
        responses={(200, media_type): answer, **refusals(*codes)},
    )
