"""psycopg's connection with a deadline for each exchange.

The server's own limits end a statement that it works on. They end nothing when the server, a pooler or the network
falls silent: then only the client can tell, and waits for ever unless it keeps the time itself.
"""

from __future__ import annotations

import contextlib
from typing import Any, TypeVar

import psycopg
from psycopg import capabilities, errors
from psycopg.abc import PQGen

from fiatrails.kernel import statements

Value = TypeVar("Value")
# The server ends a statement at the limit and says so; whoever has heard nothing a moment later never will.
_GRACE_S = 1.0
_CANCEL_S = 1.0
_INTERVAL_S = 0.1


class FellSilent(psycopg.OperationalError):
    """The connection was given up: nothing came back in time. What was asked may or may not have been done."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when an exchange takes longer than `kernel.statements` allows."""

    def wait(self, gen: PQGen[Value], interval: float = _INTERVAL_S, timeout: float | None = None) -> Value:
        """Run an exchange; FellSilent when it takes longer than a statement may."""
        limit = statements.limit_s()
        if timeout is not None or limit is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, limit + _GRACE_S)
        except errors._WaitTimeout:
            raise self._give_up(limit) from None

    def _give_up(self, limit_s: float) -> FellSilent:
        # A statement that still waits for a lock would otherwise get it later, for nobody.
        if capabilities.has_cancel_safe():
            with contextlib.suppress(psycopg.Error):
                self.cancel_safe(timeout=_CANCEL_S)
        self.close()
        return FellSilent(f"no answer to a statement within {limit_s:g} s; the connection was given up")
