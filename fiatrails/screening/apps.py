"""Django application."""

from django.apps import AppConfig


class ScreeningConfig(AppConfig):
    """The `screening` layer."""

    name = "fiatrails.screening"
    label = "screening"
