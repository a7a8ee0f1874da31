"""GET /api/v1/schema: JSON, or YAML with `?format=yaml` or an Accept header that asks for it."""

from __future__ import annotations

from functools import lru_cache

from django.http import HttpRequest, HttpResponse

from fiatrails.api.clock import CLOCK
from fiatrails.api.plain import require_method
from fiatrails.api.throttling import count_anonymous


@require_method("GET")
def schema(request: HttpRequest) -> HttpResponse:
    """Answer the document of exactly this version."""
    count_anonymous(request, now=CLOCK.now())
    if request.GET.get("format") == "yaml" or "yaml" in request.META.get("HTTP_ACCEPT", ""):
        return HttpResponse(_yaml(), content_type="application/vnd.oai.openapi")
    return HttpResponse(_json(), content_type="application/vnd.oai.openapi+json")


@lru_cache(maxsize=1)
def _yaml() -> bytes:
    from fiatrails.api.openapi.document import as_yaml

    return as_yaml()


@lru_cache(maxsize=1)
def _json() -> bytes:
    # Here, as describing the plain views takes a while and few ever ask.
    from fiatrails.api.openapi.document import as_json

    return as_json()
