"""Numbering every boundary that a process crosses: statements, commits, HTTP exchanges, signatures. Test kit only.

The hooks wrap the libraries from outside; the product knows nothing of them.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx
import psycopg

from fiatrails.chains.evm.signer import KeystoreSigner

HEAD_START_S = 0.05
_SAVEPOINT = re.compile(r'"s\d+_x\d+"')


class How(StrEnum):
    """What is done to a boundary: the process dies before or after its effect, the effect happens and the reply is
    lost, it fails without effect, or the effect happens twice and the second answer is the one that is heard."""

    KILL_BEFORE = "kill before"
    KILL_AFTER = "kill after"
    LOSE_REPLY = "lose reply"
    ERROR = "error"
    DUPLICATE = "duplicate"

    @property
    def kills(self) -> bool:
        """Whether the process does not survive it."""
        return self in (How.KILL_BEFORE, How.KILL_AFTER)

    @property
    def disturbs(self) -> bool:
        """Whether the process survives and meets an error, so that its callers and loops try again."""
        return self in (How.LOSE_REPLY, How.ERROR)


@dataclass(slots=True)
class Boundaries:
    """Counts the boundaries crossed since `install`, and strikes at one of them; at none when `target` is None.
    `on_strike` hears the label first, for after a kill nobody can be asked which boundary it was."""

    target: int | None = None
    how: How = How.KILL_BEFORE
    on_strike: Callable[[str], None] = lambda _label: None
    labels: list[str] = field(default_factory=list)
    counting: bool = True
    # A request waits while the group-commit thread works for it, so the order is stable; the numbers are given out
    # under a lock all the same, or two threads that did cross at once would share one.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cross(self, label: str, effect: Callable[[], Any], failure: Callable[[], Exception]) -> Any:
        """Runs one boundary's effect, striking if it is the chosen one."""
        if not self.counting:
            return effect()
        label += _thread()
        with self._lock:
            number = len(self.labels)
            self.labels.append(label)
        if number != self.target:
            return effect()
        self.on_strike(label)
        return self._strike(effect, failure)

    def _strike(self, effect: Callable[[], Any], failure: Callable[[], Exception]) -> Any:
        if threading.current_thread() is not threading.main_thread():
            # Somebody whom this thread answered too early gets away with that answer before the strike.
            time.sleep(HEAD_START_S)
        if self.how is How.KILL_BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how is How.ERROR:
            raise failure()
        result = effect()
        if self.how is How.KILL_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how is How.LOSE_REPLY:
            raise failure()
        return effect() if self.how is How.DUPLICATE else result

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What happens inside is the observer's and not the product's: neither counted nor struck."""
        self.counting = False
        try:
            yield
        finally:
            self.counting = True


def _thread() -> str:
    """` @name` of the thread, nothing for the main one: it says in a label who crossed."""
    thread = threading.current_thread()
    return "" if thread is threading.main_thread() else f" @{thread.name}"


def install(boundaries: Boundaries) -> None:
    """Wraps psycopg's statements and commits, httpx's exchanges and the signer. For the rest of this process."""
    _wrap_database(boundaries)
    _wrap_http(boundaries)
    _wrap_signer(boundaries)


def _wrap_database(boundaries: Boundaries) -> None:
    execute, commit = psycopg.Cursor.execute, psycopg.Connection.commit

    def counted_execute(self: Any, query: Any, params: Any = None, **kwargs: Any) -> Any:
        alone = self.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if str(query).startswith("BEGIN"):
            # It goes with the statement after it: nothing is done before that.
            return execute(self, query, params, **kwargs)
        label = _statement(str(query), alone=alone)
        return boundaries.cross(label, lambda: execute(self, query, params, **kwargs), lambda: _cut(self.connection))

    def counted_commit(self: Any) -> None:
        if self.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            commit(self)
            return
        boundaries.cross("sql COMMIT", lambda: commit(self), lambda: _cut(self))

    psycopg.Cursor.execute = counted_execute  # type: ignore[method-assign]
    psycopg.Connection.commit = counted_commit  # type: ignore[method-assign]


def _statement(query: str, *, alone: bool) -> str:
    """The first words, without the names of savepoints, which differ; a write outside of a transaction commits with
    itself."""
    words = [word for word in query.split()[:3] if not _SAVEPOINT.fullmatch(word)]
    commits = alone and words[0] in ("INSERT", "UPDATE", "DELETE", "WITH")
    return f"sql {' '.join(words)[:40]}{' (commits)' if commits else ''}"


def _cut(connection: Any) -> Exception:
    """A connection that the server closed: whatever was not committed is rolled back, and no lock of the session is
    left when the client hears of it."""
    with observer() as side:
        end_sessions(side, f"pid = {connection.info.backend_pid}")
    connection.close()
    return psycopg.OperationalError("server closed the connection unexpectedly")


def observer() -> psycopg.Connection[Any]:
    """A connection beside those of the product."""
    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, application_name="crash-observer")


def end_sessions(side: psycopg.Connection[Any], which: str) -> None:
    """Ends the product's sessions that match, and returns when the server has let go of their locks. A process that was
    killed loses its sessions within milliseconds; who comes after it need not meet them by chance."""
    matching = f"datname = current_database() AND application_name = 'fiatrails' AND {which}"
    while _ask(side, f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {matching}") != b"0":
        # The server's own wait for the end of a session looks every 100 ms only.
        _ask(side, "SELECT pg_sleep(0.001)")


def _ask(side: psycopg.Connection[Any], statement: str) -> bytes | None:
    """The one value of a statement, past the counted `execute`."""
    result = side.pgconn.exec_(statement.encode())
    assert result.status == psycopg.pq.ExecStatus.TUPLES_OK, result.error_message
    return result.get_value(0, 0)


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
