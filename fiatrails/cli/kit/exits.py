"""Exit codes, and the one place that decides which error ends a command with which of them."""

from __future__ import annotations

from enum import IntEnum

from fiatrails.kernel.errors import (
    BadInput,
    Conflict,
    FiatRailsError,
    Forbidden,
    Misconfigured,
    NotFound,
    OutsideUnknown,
    StaleFence,
    TooMany,
    Unauthorized,
    Unavailable,
    Unprocessable,
)


class ExitCode(IntEnum):
    """What a command ends with; documented in docs/reference/cli.md."""

    OK = 0
    NEGATIVE = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNAVAILABLE = 5
    MISCONFIGURED = 6
    REFUSED = 7
    INTERNAL = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141


MEANINGS = {
    ExitCode.OK: "done, or the answer is yes",
    ExitCode.NEGATIVE: "the answer is no: a check failed, something was not settled in time, or you declined",
    ExitCode.USAGE: "a wrong option, argument or value; nothing was changed",
    ExitCode.NOT_FOUND: "there is no such thing",
    ExitCode.CONFLICT: "its present state does not allow this; nothing was changed",
    ExitCode.UNAVAILABLE: "the database, the chain or a provider did not answer, or a mode holds it back",
    ExitCode.MISCONFIGURED: "the environment, the profile, a keystore, the schema or deployments.json is unusable",
    ExitCode.REFUSED: "whoever was asked did not accept our credentials",
    ExitCode.INTERNAL: "a bug; run it again with FIATRAILS_DEBUG=1 for the traceback",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
    ExitCode.BROKEN_PIPE: "whoever read the output stopped reading",
}

# The first class that fits decides, so a subclass must stand before its base.
_CODES: tuple[tuple[type[FiatRailsError], ExitCode], ...] = (
    (BadInput, ExitCode.USAGE),
    (NotFound, ExitCode.NOT_FOUND),
    (Conflict, ExitCode.CONFLICT),
    (Unprocessable, ExitCode.CONFLICT),
    (StaleFence, ExitCode.CONFLICT),
    (Unavailable, ExitCode.UNAVAILABLE),
    (OutsideUnknown, ExitCode.UNAVAILABLE),
    (TooMany, ExitCode.UNAVAILABLE),
    (Misconfigured, ExitCode.MISCONFIGURED),
    (Unauthorized, ExitCode.REFUSED),
    (Forbidden, ExitCode.REFUSED),
    (FiatRailsError, ExitCode.INTERNAL),
)


class Failure(FiatRailsError):
    """A negative result that ends a command: nothing is broken, the answer is just no."""


def exit_code_of(error: FiatRailsError) -> ExitCode:
    """Return the code that a command ends with when this error reaches it."""
    if isinstance(error, Failure):
        return ExitCode.NEGATIVE
    return next(code for kind, code in _CODES if isinstance(error, kind))
