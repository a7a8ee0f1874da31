"""Errors that cross a layer. `message` is safe to show to a client; exception text of others never is."""

from __future__ import annotations


class FiatRailsError(Exception):
    """Base: `code` is a stable word, `message` names what to do next, `status` is the HTTP status it maps to."""

    status = 500

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class BadInput(FiatRailsError):
    """The caller's data is malformed or out of range; nothing was changed."""

    status = 400


class Unauthorized(FiatRailsError):
    """The caller could not prove who it is, or its proof is stale."""

    status = 401


class Forbidden(FiatRailsError):
    """The caller is known and may not do this."""

    status = 403


class NotFound(FiatRailsError):
    """No such thing, or none that this caller may see."""

    status = 404


class Conflict(FiatRailsError):
    """The request contradicts what is already recorded; `existing` is the id of what stands, when there is one."""

    status = 409

    def __init__(self, code: str, message: str, *, existing: str | None = None) -> None:
        super().__init__(code, message)
        self.existing = existing


class Unprocessable(FiatRailsError):
    """Well-formed, understood, and not allowed as it stands."""

    status = 422


class TooMany(FiatRailsError):
    """Over quota; `retry_after` in whole seconds."""

    status = 429

    def __init__(self, code: str, message: str, *, retry_after: int) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class Unavailable(FiatRailsError):
    """Cannot be done durably now; nothing was accepted, the caller resends."""

    status = 503

    def __init__(self, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(code, message)
        self.retry_after = retry_after


class Misconfigured(FiatRailsError):
    """The deployment profile, the environment or the deployments file is unusable; says what to set."""


class OutsideUnknown(FiatRailsError):
    """An outside call gave no trustworthy answer: it may or may not have happened. Never treat as failed."""

    status = 503


class StaleFence(FiatRailsError):
    """Another worker took this row over; everything this worker still wanted to write is void."""

    def __init__(self, what: str) -> None:
        super().__init__("stale_fence", f"{what} was taken over by another worker")
