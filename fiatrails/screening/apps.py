"""Django application."""

from django.apps import AppConfig


class ScreeningAppConfig(AppConfig):
    """The `screening` layer."""

    name = "fiatrails.screening"
    label = "screening"
