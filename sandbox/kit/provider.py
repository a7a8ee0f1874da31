"""Define what a provider must say about itself to be simulated."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from sandbox.kit.messages import Refusal, Request
from sandbox.kit.router import Routes


class Provider(ABC):
    """One provider: its routes, its errors, and what it takes up again after a restart."""

    @abstractmethod
    def routes(self) -> Routes:
        """Return the API that the provider offers."""

    @abstractmethod
    def no_route(self, request: Request, methods: list[str]) -> Refusal:
        """Return the provider's error for an unknown path, or for a path that knows only `methods`."""

    def authorize(self, request: Request) -> None:
        """Raise a Refusal unless the request carries valid credentials. By default none are asked for."""
        del request

    def errors(self) -> Mapping[str, Callable[[], Refusal]]:
        """Return the provider's errors that can be injected, by the name of their fault (see `faults.chance`)."""
        return {}

    def controls(self) -> Routes:
        """Return the provider's own control endpoints, under `/_sandbox/`."""
        return {}

    def about(self) -> Mapping[str, str]:
        """Return what the health endpoint says beside the status and the seed."""
        return {}

    def resume(self) -> None:  # noqa: B027 - most providers have nothing to take up
        """Take up what was under way when the process ended."""
