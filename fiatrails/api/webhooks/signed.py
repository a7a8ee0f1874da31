"""Callbacks of providers that sign what they send: verify, store, apply; the hot path.

Order: size, signature, content, store. The Content-Type is not looked at: the signature says that these bytes are
meant, and news about money is not turned away for a header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse

from fiatrails.api.bodies import raw_body
from fiatrails.api.clock import CLOCK
from fiatrails.api.plain import json_response, require_method
from fiatrails.api.webhooks.intake import INTAKE
from fiatrails.kernel import metrics
from fiatrails.kernel.errors import Conflict, FiatRailsError
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.inbox import Recorded, Stored

# (raw body, WSGI headers such as HTTP_X_MPESA_SIGNATURE, now) -> the event; Unauthorized or BadInput.
Verify = Callable[[bytes, Mapping[str, Any], datetime], PaymentEvent]
_REFUSED_FROM = 500


def signed_callback(source: str, verify: Verify) -> Callable[[HttpRequest], HttpResponse]:
    """Return the view of a provider's signed callback; `source` is its label in the metrics.

    The view answers 200 only after COMMIT. Anything else means that the provider should send it again, or correct it.
    """

    @require_method("POST")
    def view(request: HttpRequest) -> HttpResponse:
        try:
            answer = INTAKE.submit(verify(raw_body(request), request.META, CLOCK.now()))
        except FiatRailsError as error:
            metrics.callbacks.labels(source, "failed" if error.status >= _REFUSED_FROM else "rejected").inc()
            raise
        metrics.callbacks.labels(source, _metric_label(answer)).inc()
        structlog.contextvars.bind_contextvars(intent_id=answer.intent_id)
        if answer.status is Recorded.CONFLICT:
            raise Conflict("callback_conflict", "this event was received before with other content; kept for review")
        status = "processed" if answer.status is Recorded.NEW else "already_processed"
        return json_response({"status": status, "intentId": answer.intent_id})

    return view


def _metric_label(answer: Stored) -> str:
    if answer.status is Recorded.CONFLICT:
        return "conflict"
    if answer.status is not Recorded.NEW:
        return "duplicate"
    return "accepted" if answer.intent_id else "unmatched"
