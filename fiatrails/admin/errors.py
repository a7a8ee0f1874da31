"""Errors below `/admin/` as people see them: a page with one sentence. No text of a foreign exception ever leaves."""

from __future__ import annotations

import structlog
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string

from fiatrails.engine.postgres.errors import in_words
from fiatrails.kernel.errors import FiatRailsError

log = structlog.get_logger(__name__)
_SAID = {
    400: ("Not understood", "The request cannot be understood."),
    403: ("Not allowed", "Your account may not see or do this."),
    404: ("Not found", "There is nothing at this address."),
    500: ("Something went wrong", "The request could not be handled. Quote the number below."),
    503: ("Not now", "The database cannot be reached. Nothing was changed; try again."),
}
_MALFORMED = (BadRequest, SuspiciousOperation, MultiPartParserError, DataError)


def page(status: int, *, text: str = "") -> HttpResponse:
    """Return the page of an error; `text` instead of the usual sentence."""
    title, usual = _SAID.get(status, _SAID[400] if status < 500 else _SAID[500])
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    context = {"title": title, "text": text or usual, "request_id": request_id}
    return HttpResponse(render_to_string("operators/error.html", context), status=status)


def respond(error: Exception) -> HttpResponse:
    """Return the page for any exception; what nobody foresaw is logged and shown without its text."""
    if isinstance(error, FiatRailsError) and error.status < 500:
        return page(error.status, text=error.message)
    if isinstance(error, Http404):
        return page(404)
    if isinstance(error, PermissionDenied):
        return page(403)
    if isinstance(error, _MALFORMED):
        return page(400)
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("database.unavailable", error=in_words(error))
        return page(503)
    log.error("request.failed", exc_info=error)
    return page(500)


def csrf_failure(_request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a forged request; Django's CSRF_FAILURE_VIEW."""
    log.warning("operator.forged", reason=reason)
    return page(403, text="This form was not sent from a page of ours, or the page is too old. Open it again.")
