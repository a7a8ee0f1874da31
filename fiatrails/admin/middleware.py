"""Sessions, sign-in, CSRF and headers for `/admin/`; requests of the API pass straight through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from fiatrails.admin.errors import respond
from fiatrails.admin.scope import is_below

_Handler = Callable[[HttpRequest], HttpResponseBase]
# Scripts and styles come from files of ours only: what a payer calls themselves is never run.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class BelowAdmin:
    """One middleware that runs Django's own around `/admin/` and is a comparison of strings for everything else."""

    def __init__(self, get_response: _Handler) -> None:
        self._get_response = get_response
        self._csrf = CsrfViewMiddleware(get_response)
        chain: Any = self._csrf
        for layer in (
            MessageMiddleware,
            AuthenticationMiddleware,
            SessionMiddleware,
            XFrameOptionsMiddleware,
            WhiteNoiseMiddleware,
            SecurityMiddleware,
        ):
            # As Django does it: what one of them raises becomes an answer that the outer ones still complete.
            chain = layer(convert_exception_to_response(chain))
        self._admin: Any = convert_exception_to_response(chain)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_below(request):
            return self._get_response(request)
        response: HttpResponseBase = self._admin(request)
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Refuse forged requests before the view runs."""
        return self._csrf.process_view(request, view, args, kwargs) if is_below(request) else None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return a page for what a view of the admin raised; the API's errors are answered elsewhere."""
        return respond(error) if is_below(request) else None
