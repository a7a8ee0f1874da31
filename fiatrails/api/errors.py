"""Errors as clients see them: `{"error", "message", "requestId"}`. No text of a foreign exception ever leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from pydantic import Field
from rest_framework import exceptions as drf
from rest_framework import status

from fiatrails.api.shapes import Shape, Text
from fiatrails.engine.postgres.errors import in_words
from fiatrails.kernel.errors import Conflict, FiatRailsError, Misconfigured, Unavailable

log = structlog.get_logger(__name__)
DATABASE_LOST = (OperationalError, InterfaceError)
_DATABASE_RETRY_S = 5
_FROM_REST_FRAMEWORK = {
    status.HTTP_404_NOT_FOUND: ("not_found", "there is nothing at this address"),
    status.HTTP_405_METHOD_NOT_ALLOWED: ("method_not_allowed", "this address does not take that method; see Allow"),
    status.HTTP_406_NOT_ACCEPTABLE: ("not_acceptable", "answers are JSON; send Accept: application/json or none"),
}


class TooLarge(FiatRailsError):
    """The body is above the limit; nothing was read beyond it."""

    status = 413


class WrongMediaType(FiatRailsError):
    """The body is not declared as JSON."""

    status = 415


class MethodNotAllowed(FiatRailsError):
    """The address exists and takes other methods."""

    status = 405

    def __init__(self, allowed: str) -> None:
        super().__init__(*_FROM_REST_FRAMEWORK[405])
        self.allowed = allowed


class InFlight(Conflict):
    """The first request with this idempotency key has not been answered yet."""

    retry_after = 1

    def __init__(self) -> None:
        super().__init__("request_in_flight", "a request with this X-Idempotency-Key is being handled; ask again")


class Error(Shape):
    """What every refusal says."""

    error: Annotated[str, Field(description="A stable word for programs")]
    # It may quote what the client wrote.
    message: Annotated[Text, Field(description="What to do, for people")]
    request_id: Annotated[str, Field(description="As in X-Request-Id; quote it")]
    retry_after: Annotated[int | None, Field(alias="retry_after", description="Seconds, when waiting helps")] = None


class GeoRestricted(Error):
    """What a caller is told whose country is not served."""

    country: Annotated[str, Field(description="ISO 3166-1 alpha-2, or `unknown`")]


def request_id() -> str:
    """Return the id that the answer to the current request carries."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def error_response(
    code: str,
    message: str,
    status_code: int,
    *,
    headers: Mapping[str, str] | None = None,
    shape: type[Error] = Error,
    **more: Any,
) -> HttpResponse:
    """Return the answer to a refusal; `more` are the fields that `shape` adds."""
    body = shape(error=code, message=message, request_id=request_id(), **more)
    return HttpResponse(body.as_json(), status=status_code, headers=headers, content_type="application/json")


def respond(error: Exception) -> HttpResponse:
    """Return the answer to any exception; what nobody foresaw is logged and answered without its text."""
    if isinstance(error, FiatRailsError):
        return _domain_error_response(error)
    if isinstance(error, DATABASE_LOST):
        log.warning("database.unavailable", error=in_words(error))
        return _unavailable("database_unavailable", "the database cannot be reached; send it again", _DATABASE_RETRY_S)
    if isinstance(error, drf.APIException):
        return _from_rest_framework(error)
    log.error("request.failed", exc_info=error)
    return error_response("internal_error", "the request could not be handled; quote the requestId", 500)


def _domain_error_response(error: FiatRailsError) -> HttpResponse:
    if error.status >= status.HTTP_500_INTERNAL_SERVER_ERROR and not isinstance(error, Unavailable):
        # What is missing or stale is for the operator's eyes: the messages name files and addresses.
        log.error("request.refused", code=error.code, detail=error.message)
        code = "not_ready" if isinstance(error, Misconfigured) else "try_again"
        return _unavailable(
            code, "this cannot be done right now; nothing was changed, send it again", _DATABASE_RETRY_S
        )
    headers: dict[str, str] = {}
    more: dict[str, Any] = {}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
        more["retry_after"] = retry_after
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allowed
    if error.status == status.HTTP_401_UNAUTHORIZED:
        headers["WWW-Authenticate"] = "HMAC-SHA256"
    return error_response(error.code, error.message, error.status, headers=headers, **more)


def _unavailable(code: str, message: str, retry_after: int) -> HttpResponse:
    return _domain_error_response(Unavailable(code, message, retry_after=retry_after))


def _from_rest_framework(error: drf.APIException) -> HttpResponse:
    code, message = _FROM_REST_FRAMEWORK.get(error.status_code, ("bad_request", "the request cannot be understood"))
    return error_response(code, message, error.status_code)


def handle(error: Exception, _context: Mapping[str, Any]) -> HttpResponse:
    """Return the answer to an exception of a view: Django REST framework's exception handler."""
    return respond(error)


def not_found(_request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names it
    """Answer for an address that does not exist."""
    return error_response(*_FROM_REST_FRAMEWORK[404], 404)


def bad_request(_request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names it
    """Answer for what Django itself refuses, such as a malformed Host."""
    return error_response("bad_request", "the request cannot be understood", 400)


def server_error(_request: HttpRequest) -> HttpResponse:
    """Answer when everything else failed; Django has logged the exception."""
    return error_response("internal_error", "the request could not be handled; quote the requestId", 500)
