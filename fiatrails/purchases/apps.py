"""Django application."""

from django.apps import AppConfig


class PurchasesConfig(AppConfig):
    """The `purchases` layer."""

    name = "fiatrails.purchases"
    label = "purchases"
