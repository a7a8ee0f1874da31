"""Answers and headers that many operations share, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from fiatrails.api.bodies import MAX_BODY_BYTES
from fiatrails.api.errors import Error, GeoRestricted
from fiatrails.api.shapes import Shape


class LinkedResponse(OpenApiResponse):
    """An answer whose fields lead to other operations, by name of the link."""

    def __init__(self, shape: type[Shape], description: str, **links: dict[str, Any]) -> None:
        super().__init__(shape, description)
        self.links = links


class RefusalResponse(OpenApiResponse):
    """A refusal that is described once and referred to by `name`."""

    def __init__(self, name: str, description: str, shape: type[Error] = Error) -> None:
        super().__init__(shape, description)
        self.name = name


_REFUSALS = {
    400: RefusalResponse("BadInput", "The request is malformed; the message names the field. Nothing was changed."),
    401: RefusalResponse(
        "Unauthorized",
        "Signature missing or wrong, key unknown or not valid now, or timestamp outside the window (300 s, both ways).",
    ),
    403: RefusalResponse("GeoRestricted", "The country of the caller's address is not served here.", GeoRestricted),
    404: RefusalResponse("NotFound", "No such thing, or none of this caller's."),
    405: RefusalResponse("MethodNotAllowed", "Another method."),
    413: RefusalResponse("TooLarge", f"The body is larger than {MAX_BODY_BYTES} bytes."),
    415: RefusalResponse("WrongMediaType", "The body is not declared as application/json."),
    429: RefusalResponse("TooMany", "Over the quota of this minute."),
    503: RefusalResponse("Unavailable", "Cannot be done durably now; nothing was accepted. Send it again."),
}
_BODY = (405, 413, 503)
_SIGNED = (400, 401, 403, 429, *_BODY)


def refusals(*codes: int) -> dict[int, Any]:
    """Return the refusals with these statuses."""
    return {code: _REFUSALS[code] for code in codes}


def signed_refusals(*more: int) -> dict[int, Any]:
    """Return what every operation for API clients may be refused with, and `more`."""
    return refusals(*_SIGNED, *more)


def callback_refusals(*more: int) -> dict[int, Any]:
    """Return what every callback may be refused with, and `more`."""
    return refusals(400, *_BODY, *more)


def response_header(name: str, type_: Any, codes: list[int], description: str = "") -> OpenApiParameter:
    """Return a header of the answers with these statuses."""
    return OpenApiParameter(name, type_, OpenApiParameter.HEADER, response=codes, description=description)
