"""What lies below `/admin/`."""

from __future__ import annotations

from django.http import HttpRequest

ROOT = "/admin"
_BELOW = f"{ROOT}/"


def is_below(request: HttpRequest) -> bool:
    """Return whether the request is for the admin. Every request of the API is asked this; it must cost nothing."""
    path = request.path_info
    return path.startswith(_BELOW) or path == ROOT
