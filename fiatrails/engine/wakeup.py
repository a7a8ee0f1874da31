"""Hints between processes: "there is work". Losing every one of them costs latency only, the sweep finds the rows."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.db import connection, transaction

from fiatrails.engine.postgres.base import DatabaseWrapper
from fiatrails.engine.postgres.driver import BoundedConnection
from fiatrails.engine.postgres.errors import in_words
from fiatrails.kernel import statements

log = structlog.get_logger(__name__)
POLL_S = 0.5
PAUSE_S = 1.0
ASK_AFTER_S = 15.0
ANSWER_S = 4.0
CHANNEL = "fiatrails_work"
Hint = Callable[[], None]
_hooks: list[Hint] = []


def notify() -> None:
    """Tell every listening worker that rows are due; inside a transaction it is delivered at COMMIT."""
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")
    for hook in _hooks:
        transaction.on_commit(hook, robust=True)


def add_hook(hook: Hint) -> None:
    """Add a second carrier of the same hint (Celery); its failure is logged by Django and costs latency only."""
    if hook not in _hooks:
        _hooks.append(hook)


class Listener:
    """LISTENs on its own connection in a daemon thread and sets the `wakes` on every hint; reconnects for ever."""

    def __init__(self, wakes: list[threading.Event]) -> None:
        self._wakes = wakes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wakeup", daemon=True)

    def start(self) -> None:
        """Start listening in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop within a second."""
        self._stop.set()
        self._thread.join(timeout=3)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with (
                    statements.limited(ANSWER_S),
                    BoundedConnection.connect(autocommit=True, **_connect_params()) as conn,
                ):
                    self._listen(conn)
            except psycopg.Error as error:
                # The database is away: the sweep notices too; try again without hammering it.
                log.warning("wakeup.lost", error=in_words(error))
                self._stop.wait(PAUSE_S)

    def _listen(self, conn: BoundedConnection) -> None:
        conn.execute(f"LISTEN {CHANNEL}")
        quiet_s = 0.0
        while not self._stop.is_set():
            readable, _, _ = select.select([conn.fileno()], [], [], POLL_S)
            quiet_s = 0.0 if readable else quiet_s + POLL_S
            if readable:
                for _notice in conn.notifies(timeout=0):
                    for wake in self._wakes:
                        wake.set()
            elif quiet_s >= ASK_AFTER_S:
                # Nothing is ever sent on this connection, so it alone would not notice that it leads nowhere.
                conn.execute("SELECT 1")
                quiet_s = 0.0


def _connected() -> BoundedConnection:
    return BoundedConnection.connect(autocommit=True, **_connect_params())


def _connect_params() -> dict[str, Any]:
    """Return the address of the server itself: notices go to a session, which a pooler in transaction mode has not."""
    params: dict[str, Any] = dict(_direct().get_connection_params())
    for name in ("cursor_factory", "context", "prepare_threshold", "server_side_binding", "isolation_level"):
        params.pop(name, None)
    return params


def _direct() -> Any:
    direct = getattr(settings, "DATABASE_DIRECT", None)
    return connection if direct is None else DatabaseWrapper({**connection.settings_dict, **direct}, "direct")
