"""Django application."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The `accounts` layer. Its label is `operators`: tables and permissions that operators use carry it."""

    name = "fiatrails.accounts"
    label = "operators"
    verbose_name = "Operators"

    def ready(self) -> None:
        """Register the clean-up of this layer's tables with the worker's jobs."""
        from fiatrails.accounts.housekeeping import register_jobs

        register_jobs()
