"""Django application."""

from django.apps import AppConfig


class AdminConfig(AppConfig):
    """The `admin` layer. Its label is not `admin`, which is Django's own."""

    name = "fiatrails.admin"
    label = "review"
