"""Django application."""

from django.apps import AppConfig


class OperatorsConfig(AppConfig):
    """The `admin` layer. Its label is not `admin`, which is Django's own."""

    name = "fiatrails.admin"
    label = "operators"
    verbose_name = "Operators"

    def ready(self) -> None:
        """Hands the worker the clean-up of this layer's tables, which it may not import."""
        from fiatrails.admin.housekeeping import register_jobs

        register_jobs()
