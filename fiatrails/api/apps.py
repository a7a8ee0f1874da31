"""Django application."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The `api` layer."""

    name = "fiatrails.api"
    label = "api"

    def ready(self) -> None:
        """Register the clean-up of this layer's tables as jobs of the worker, which may not import this layer."""
        from fiatrails.api.housekeeping import register_jobs

        register_jobs()
