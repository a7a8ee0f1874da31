"""Django application."""

from django.apps import AppConfig


class EngineConfig(AppConfig):
    """The `engine` layer."""

    name = "fiatrails.engine"
    label = "engine"
