"""Hints between processes: "there is work". Losing every one of them costs latency only, the sweep finds the rows."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from django.db import connection, transaction

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
                with psycopg.connect(autocommit=True, **_connect_params()) as conn:
                    self._listen(conn)
            except psycopg.Error:
                # The database is away: the sweep notices too; try again without hammering it.
                self._stop.wait(1.0)

    def _listen(self, conn: psycopg.Connection[Any]) -> None:
        conn.execute(f"LISTEN {CHANNEL}")
        while not self._stop.is_set():
            readable, _, _ = select.select([conn.fileno()], [], [], 0.5)
            if readable:
                for _notice in conn.notifies(timeout=0):
                    for wake in self._wakes:
                        wake.set()


def _connect_params() -> dict[str, Any]:
    params: dict[str, Any] = dict(connection.get_connection_params())
    for name in ("cursor_factory", "context", "prepare_threshold", "server_side_binding", "isolation_level"):
        params.pop(name, None)
    return params
