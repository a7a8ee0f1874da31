"""Django application."""

from django.apps import AppConfig


class ChainsConfig(AppConfig):
    """The `chains` layer."""

    name = "fiatrails.chains"
    label = "chains"
