"""Root of the URLs, and the answers to what has none."""

from django.urls import include, path

urlpatterns = [path("", include("fiatrails.api.urls"))]
handler400 = "fiatrails.api.errors.bad_request"
handler404 = "fiatrails.api.errors.not_found"
handler500 = "fiatrails.api.errors.server_error"
