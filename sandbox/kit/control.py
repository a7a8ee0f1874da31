"""Offer the control endpoints that every simulator has, under `/_sandbox/`."""

import json
from typing import Any

from sandbox.kit.messages import Reply, Request, control_refusal
from sandbox.kit.parts import Parts
from sandbox.kit.provider import Provider
from sandbox.kit.router import Routes


class Control:
    """One method per endpoint; bad input is a 400 that says what was wrong."""

    def __init__(self, parts: Parts, provider: Provider) -> None:
        self._health = {"status": "healthy", "seed": parts.settings.seed, **provider.about()}
        self._faults = parts.faults
        self._requests = parts.requests
        self._deliveries = parts.deliveries

    def routes(self) -> Routes:
        """Return the endpoints by method and path."""
        return {
            ("GET", "/_sandbox/health"): self.health,
            ("GET", "/_sandbox/requests"): self.requests,
            ("GET", "/_sandbox/deliveries"): self.deliveries,
            ("GET", "/_sandbox/faults"): self.show_faults,
            ("POST", "/_sandbox/faults"): self.set_faults,
            ("DELETE", "/_sandbox/faults"): self.clear_faults,
        }

    def health(self, _request: Request) -> Reply:
        """Return the status, the seed, and what the provider adds (GET health)."""
        return Reply(200, self._health)

    def requests(self, request: Request) -> Reply:
        """Return what the API was asked and what it replied, all of it or of one `path` (GET requests)."""
        return Reply(200, {"requests": self._requests.entries("path", request.query.get("path"))})

    def deliveries(self, request: Request) -> Reply:
        """Return the webhooks sent and the answers, all of them or of one `key` (GET deliveries)."""
        return Reply(200, {"deliveries": self._deliveries.entries("key", request.query.get("key"))})

    def show_faults(self, _request: Request) -> Reply:
        """Return every fault with its value (GET faults)."""
        return Reply(200, self._faults.view())

    def set_faults(self, request: Request) -> Reply:
        """Change the faults that are named; the rest stay (POST faults)."""
        return Reply(200, self._faults.update(json_object(request)))

    def clear_faults(self, _request: Request) -> Reply:
        """Switch every fault off (DELETE faults)."""
        return Reply(200, self._faults.clear())


def json_object(request: Request, known: set[str] | None = None) -> dict[str, Any]:
    """Return the JSON object of a control request; refuse fields that are not `known`."""
    try:
        body = json.loads(request.body)
    except ValueError:
        raise control_refusal("the body is not JSON") from None
    if not isinstance(body, dict):
        raise control_refusal("the body must be a JSON object")
    unknown = set(body) - known if known is not None else set()
    if unknown:
        raise control_refusal(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known or ()))}")
    return body


def text_field(body: dict[str, Any], name: str, default: str | None = None) -> str:
    """Return a field of 1 to 256 characters, or refuse it."""
    value = body.get(name, default)
    if not isinstance(value, str) or not value.strip() or len(value) > 256:
        raise control_refusal(f"{name} must be a text of 1 to 256 characters")
    return value
