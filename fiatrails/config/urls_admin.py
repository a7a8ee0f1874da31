"""Root of the URLs where ADMIN_ENABLED is set: the API's, and `/admin/`. Below it errors are pages, not JSON."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from fiatrails.admin.errors import page
from fiatrails.admin.scope import is_below
from fiatrails.api import errors as api

urlpatterns = [path("", include("fiatrails.api.urls")), path("", include("fiatrails.admin.urls"))]


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django itself refuses."""
    return page(400) if is_below(request) else api.bad_request(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for an address that does not exist."""
    return page(404) if is_below(request) else api.not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer when everything else failed; Django has logged the exception."""
    return page(500) if is_below(request) else api.server_error(request)
