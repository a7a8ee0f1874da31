"""Reading values of environment variables."""

from __future__ import annotations

from pydantic import SecretStr


def listed(text: str) -> list[str]:
    """Return the parts of a comma-separated text, without blanks and empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def named_keys(current: SecretStr | None, new: SecretStr | None) -> tuple[tuple[str, SecretStr], ...]:
    """Return the keys that are set, by name (`current`, `new`). An empty secret is no secret:
    everybody can sign with it."""
    named = (("current", current), ("new", new))
    return tuple((name, value) for name, value in named if value is not None and value.get_secret_value())
