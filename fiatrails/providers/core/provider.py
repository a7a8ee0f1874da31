"""What the worker and the operators ask of any provider, and which providers this deployment has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.utils.module_loading import import_string

from fiatrails.kernel.clock import Clock
from fiatrails.kernel.errors import NotFound
from fiatrails.providers.core.purchases import Purchases


class Provider:
    """A payment provider. One that signs its events and is asked for nothing needs a name and no more."""

    name: str

    def work(self, *, clock: Clock, purchases: Purchases) -> int:  # noqa: ARG002
        """Make one pass over what waits for this provider's answers; returns how much was done."""
        return 0

    def confirm_again(self, *, event_id: int, now: datetime) -> None:  # noqa: ARG002
        """Make a stored event due for confirmation once more (replay of its dead letter)."""
        raise NotFound("nothing_to_confirm", f"{self.name} signs its events; nothing is confirmed")

    def retry_request(self, *, request_id: int, now: datetime) -> None:  # noqa: ARG002
        """Set a request that ran out of attempts going again (replay of its dead letter)."""
        raise NotFound("no_requests", f"nothing is asked of {self.name}")


def providers() -> Sequence[Provider]:
    """Return the deployment's providers (`settings.PROVIDERS`, dotted names of classes), one object per process."""
    return _loaded(tuple(settings.PROVIDERS))


def provider_named(name: str) -> Provider | None:
    """Return the provider with this name, or None."""
    return next((provider for provider in providers() if provider.name == name), None)


@lru_cache(maxsize=4)
def _loaded(paths: tuple[str, ...]) -> tuple[Provider, ...]:
    return tuple(import_string(path)() for path in paths)
