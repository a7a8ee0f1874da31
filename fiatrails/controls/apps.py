"""Django application."""

from django.apps import AppConfig


class ControlsConfig(AppConfig):
    """The `controls` layer."""

    name = "fiatrails.controls"
    label = "controls"
