"""Numbering every boundary that a process crosses: statements, commits, RPC exchanges, signatures. Test kit only.

The hooks wrap the libraries from outside; the product knows nothing of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx
import psycopg

from fiatrails.chains.core.signer import KeystoreSigner


class How(StrEnum):
    """What is done to a boundary: the process dies before or after its effect, the effect happens and the reply is
    lost, or it fails without effect."""

    KILL_BEFORE = "kill before"
    KILL_AFTER = "kill after"
    LOSE_REPLY = "lose reply"
    ERROR = "error"


@dataclass(slots=True)
class Boundaries:
    """Counts the boundaries crossed since `install`, and strikes at one of them."""

    target: int | None = None
    how: How = How.KILL_BEFORE
    labels: list[str] = field(default_factory=list)

    def cross(self, label: str, effect: Callable[[], Any], failure: Callable[[], Exception]) -> Any:
        """Runs one boundary's effect, striking if it is the chosen one."""
        number = len(self.labels)
        self.labels.append(label)
        if number != self.target:
            return effect()
        if self.how is How.KILL_BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how is How.ERROR:
            raise failure()
        result = effect()
        if self.how is How.KILL_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how is How.LOSE_REPLY:
            raise failure()
        return result


def install(boundaries: Boundaries) -> None:
    """Wraps psycopg's statements and commits, httpx's exchanges and the signer. For the rest of this process."""
    _wrap_database(boundaries)
    _wrap_http(boundaries)
    _wrap_signer(boundaries)


def _wrap_database(boundaries: Boundaries) -> None:
    execute, commit = psycopg.Cursor.execute, psycopg.Connection.commit

    def counted_execute(self: Any, query: Any, params: Any = None, **kwargs: Any) -> Any:
        words = str(query).split()
        label = f"sql {' '.join(words[:3])[:40]}"
        return boundaries.cross(label, lambda: execute(self, query, params, **kwargs), lambda: _cut(self.connection))

    def counted_commit(self: Any) -> None:
        if self.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            commit(self)
            return
        boundaries.cross("sql COMMIT", lambda: commit(self), lambda: _cut(self))

    psycopg.Cursor.execute = counted_execute  # type: ignore[method-assign]
    psycopg.Connection.commit = counted_commit  # type: ignore[method-assign]


def _cut(connection: Any) -> Exception:
    """A connection that broke: whatever was not committed is rolled back by the server."""
    connection.close()
    return psycopg.OperationalError("server closed the connection unexpectedly")


def _wrap_http(boundaries: Boundaries) -> None:
    send = httpx.Client.send

    def counted_send(self: Any, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        body = request.content[:200].decode("utf-8", "replace")
        method = body.split('"method":"', 1)[1].split('"', 1)[0] if '"method":"' in body else request.url.path
        response: httpx.Response = boundaries.cross(
            f"http {method}",
            lambda: send(self, request, **kwargs),
            lambda: httpx.ReadError("connection reset", request=request),
        )
        return response

    httpx.Client.send = counted_send  # type: ignore[method-assign]


def _wrap_signer(boundaries: Boundaries) -> None:
    sign = KeystoreSigner.sign_transaction

    def counted_sign(self: Any, fields: Any) -> Any:
        return boundaries.cross("sign", lambda: sign(self, fields), lambda: RuntimeError("signer unreachable"))

    KeystoreSigner.sign_transaction = counted_sign  # type: ignore[method-assign]
