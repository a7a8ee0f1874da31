"""M-PESA confirmations from a gateway that signs: the hot path.

Order: size, signature, content, store. The Content-Type is not looked at: the signature says that these bytes are
meant, and news about money is not turned away for a header.
"""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse

from fiatrails.api.bodies import raw_body
from fiatrails.api.clock import CLOCK
from fiatrails.api.plain import json_response, only
from fiatrails.api.webhooks.intake import INTAKE
from fiatrails.kernel import metrics
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import Conflict, FiatRailsError
from fiatrails.providers.core.inbox import Recorded, Stored
from fiatrails.providers.mpesa import gateway

_REFUSED_FROM = 500


@only("POST")
def gateway_callback(request: HttpRequest) -> HttpResponse:
    """200 only after COMMIT. Anything else means that the gateway should send it again, or correct it."""
    try:
        answer = _accept(request)
    except FiatRailsError as error:
        _count("failed" if error.status >= _REFUSED_FROM else "rejected")
        raise
    _count(_word(answer))
    structlog.contextvars.bind_contextvars(intent_id=answer.intent_id)
    if answer.status is Recorded.CONFLICT:
        raise Conflict("callback_conflict", "this event was received before with other content; kept for review")
    status = "processed" if answer.status is Recorded.NEW else "already_processed"
    return json_response({"status": status, "intentId": answer.intent_id})


def _accept(request: HttpRequest) -> Stored:
    current = config()
    raw = raw_body(request)
    secrets = [(name, secret.get_secret_value().encode()) for name, secret in current.mpesa.gateway_secrets]
    gateway.authenticate(raw=raw, signature=request.META.get("HTTP_X_MPESA_SIGNATURE", ""), secrets=secrets)
    tolerance_s = current.profile.timeouts.webhook_tolerance_s
    return INTAKE.submit(gateway.parse(raw=raw, now=CLOCK.now(), tolerance_s=tolerance_s))


def _word(answer: Stored) -> str:
    if answer.status is Recorded.CONFLICT:
        return "conflict"
    if answer.status is not Recorded.NEW:
        return "duplicate"
    return "accepted" if answer.intent_id else "unmatched"


def _count(status: str) -> None:
    metrics.callbacks.labels(gateway.PROVIDER, status).inc()
