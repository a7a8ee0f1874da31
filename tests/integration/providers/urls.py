"""The callbacks under a prefix of the tests' own, as the API mounts them under its."""

from django.urls import include, path

from fiatrails.api.errors import not_found

urlpatterns = [path("cb/<str:run>/<str:token>/", include("tests.integration.providers.mounted"))]
handler404 = not_found
