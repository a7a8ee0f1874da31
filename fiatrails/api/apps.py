"""Django application."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The `api` layer."""

    name = "fiatrails.api"
    label = "api"

    def ready(self) -> None:
        """Hands the worker the clean-up of this layer's tables, which it may not import."""
        from fiatrails.api.housekeeping import register_jobs

        register_jobs()
