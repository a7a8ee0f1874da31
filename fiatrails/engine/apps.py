"""Django application."""

from django.apps import AppConfig


class EngineConfig(AppConfig):
    """The `engine` layer; chooses the dispatcher when a process starts."""

    name = "fiatrails.engine"
    label = "engine"

    def ready(self) -> None:
        """Install the Celery hint when it is configured; Celery is imported only then."""
        from django.conf import settings

        if settings.FIATRAILS.dispatch == "celery":
            from fiatrails.engine.celery_dispatch import install

            install()
