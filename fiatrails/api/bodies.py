"""Reading what comes from outside: bounded, UTF-8, one JSON object, no key twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.http import HttpRequest

from fiatrails.api.errors import TooLarge, WrongMediaType
from fiatrails.kernel.errors import BadInput

MAX_BODY_BYTES = 64 * 1024
_CACHE = "fiatrails_raw_body"
_MALFORMED = BadInput("malformed_json", "the body must be one JSON object in UTF-8 without repeated keys")


def raw_body(request: HttpRequest) -> bytes:
    """Return the bytes as sent. TooLarge above 64 KiB, whether the length was declared or the body is chunked."""
    known: bytes | None = request.__dict__.get(_CACHE)
    if known is None:
        known = request.__dict__[_CACHE] = _read(request.META)
    return known


def _read(environ: Mapping[str, Any]) -> bytes:
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    length = MAX_BODY_BYTES + 1 if chunked else _declared_length(environ.get("CONTENT_LENGTH") or "0")
    if length == 0:
        return b""
    if length > MAX_BODY_BYTES and not chunked:
        raise _too_large()
    try:
        raw: bytes = environ["wsgi.input"].read(length)
    except OSError:
        # The client went away, or its chunks are malformed.
        raise BadInput("incomplete_body", "the body ended before it was complete") from None
    if len(raw) > MAX_BODY_BYTES:
        raise _too_large()
    if len(raw) < length and not chunked:
        raise BadInput("incomplete_body", "the body ended before it was complete")
    return raw


def _declared_length(length: str) -> int:
    if not (length.isascii() and length.isdecimal()):
        raise BadInput("malformed_length", "Content-Length must be a number")
    # A number of more digits is too large whatever it says.
    return int(length) if len(length) < 16 else MAX_BODY_BYTES + 1


def _too_large() -> TooLarge:
    return TooLarge("body_too_large", f"the body must not be larger than {MAX_BODY_BYTES} bytes")


def json_object(request: HttpRequest) -> dict[str, Any]:
    """Return the body as an object; WrongMediaType unless it is declared as JSON, BadInput when it is not."""
    content_type = request.META.get("CONTENT_TYPE") or ""
    if content_type.split(";")[0].strip().lower() != "application/json":
        raise WrongMediaType("wrong_media_type", "send Content-Type: application/json")
    return parse_object(raw_body(request))


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the one JSON object in `raw`; numbers with a fraction come as Decimal."""
    try:
        text = raw.decode("utf-8")
        body = json.loads(
            text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_without_repetition
        )
    except (ValueError, RecursionError):
        raise _MALFORMED from None
    if not isinstance(body, dict):
        raise _MALFORMED
    return body


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers of `{"amount": 1, "amount": 2}` may see two different amounts, so nobody gets to read it."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("repeated key")
    return found
