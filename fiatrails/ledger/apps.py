"""Django application."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """The `ledger` layer."""

    name = "fiatrails.ledger"
    label = "ledger"
