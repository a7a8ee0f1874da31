"""The only middleware: an id for every request, an answer to every error, one log line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse

from fiatrails.api.errors import respond

log = structlog.get_logger("fiatrails.access")
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_UNLOGGED = "metrics"


class RequestContext:
    """Binds `request_id` to the log context, honouring a sane incoming X-Request-Id, and returns it to the client."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id = _request_id(request.META.get("HTTP_X_REQUEST_ID", ""))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self._get_response(request)
        response.headers["X-Request-Id"] = request_id
        if not response.streaming:
            # Without it gunicorn would send chunks, which some old clients cannot read.
            response.headers["Content-Length"] = str(len(response.content))
        route = request.resolver_match.route if request.resolver_match else "unknown"
        if route != _UNLOGGED:
            elapsed_ms = round((time.perf_counter() - started) * 1000, 2)
            log.info("http.request", method=request.method, route=route, status=response.status_code, ms=elapsed_ms)
        return response

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse:
        """Answer what a plain view raised; Django REST framework's views have answered already."""
        return respond(error)


def _request_id(given: str) -> str:
    return given if _SANE_ID.fullmatch(given) else uuid4().hex
