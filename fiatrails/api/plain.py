"""Plain Django views: the method is checked, errors are answered by the middleware."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from fiatrails.api.errors import MethodNotAllowed
from fiatrails.api.shapes import Shape

View = Callable[..., HttpResponse]


def require_method(method: str) -> Callable[[View], View]:
    """Refuse every other method with 405 and Allow; a GET view answers HEAD too."""
    allowed = (method, "HEAD") if method == "GET" else (method,)

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in allowed:
                raise MethodNotAllowed(", ".join(allowed))
            return view(request, *args, **kwargs)

        return checked

    return decorate


def json_response(body: object, status: int = 200) -> HttpResponse:
    """Return a body, which may be a shape, as compact JSON."""
    text = body.as_json() if isinstance(body, Shape) else json.dumps(body, separators=(",", ":"))
    return HttpResponse(text, status=status, content_type="application/json")
