"""The real views, behind a path that also names the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path

from fiatrails.api.webhooks.daraja import urlpatterns as real


def _without_run(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    def mounted(request: HttpRequest, run: str, **rest: Any) -> HttpResponse:
        return view(request, **rest)

    mounted.csrf_exempt = True  # type: ignore[attr-defined]
    return mounted


urlpatterns = [path(str(entry.pattern), _without_run(entry.callback)) for entry in real]
