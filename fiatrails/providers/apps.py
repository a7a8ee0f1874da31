"""Django application."""

from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    """Payment providers. The label is a public contract: admin URLs, tables and permissions carry it."""

    name = "fiatrails.providers"
    label = "rb_core"
