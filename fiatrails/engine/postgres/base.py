"""Django's PostgreSQL backend, as the rail needs it. Django finds this module by the name of its package.

Each transaction begins with its isolation level and its limits, in the message that begins it. So they hold behind a
pooler in transaction mode too, which refuses startup options and hands a session's settings to other clients.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base
from psycopg import ClientCursor, IsolationLevel
from psycopg.pq import TransactionStatus

from fiatrails.engine.postgres.driver import BoundedConnection
from fiatrails.kernel import statements

# A process that is stopped, or whose host vanished, inside a transaction would hold its row locks for as long as the
# server believes in it, long past its lease. No transaction of ours is ever idle for more than milliseconds, so the
# server ends such a session; and nobody waits for a lock for ever.
LIMITS = {"lock_timeout": "10s", "idle_in_transaction_session_timeout": "5s"}
# The server's own defaults may be others. What is read from timestamps, and how rows are claimed, rests on these.
_SESSION = {**LIMITS, "default_transaction_isolation": "read committed"}
_DATE_STYLE = "ISO, MDY"
_BEGIN = "; ".join(
    ["BEGIN ISOLATION LEVEL READ COMMITTED", *(f"SET LOCAL {name} = '{value}'" for name, value in LIMITS.items())]
)
_USABLE_WITHIN_S = 1.0


def begin_statement() -> str:
    """Return what begins a transaction: isolation, limits, and how long each of its statements may take."""
    limit = statements.limit_s()
    return _BEGIN if limit is None else f"{_BEGIN}; SET LOCAL statement_timeout = {int(limit * 1000)}"


class TransactionCursor(ClientCursor[Any]):
    """A cursor behind a pooler: every statement is in a transaction, because only there do our limits hold."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Run a statement; outside of a transaction in one of its own."""
        if self._conn.info.transaction_status != TransactionStatus.IDLE:
            return super().execute(query, params, **options)
        super().execute(begin_statement())
        try:
            super().execute(query, params, **options)
        except BaseException:
            if not self._conn.closed:
                self._conn.rollback()
            raise
        self._conn.commit()
        return self


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection whose isolation, limits and formats are ours, whatever the server's defaults and whatever lies
    between."""

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler in transaction mode lies between: nothing that is set for the session stays ours."""
        return bool(self.settings_dict["OPTIONS"].get("pooled"))

    def get_connection_params(self) -> dict[str, Any]:
        """Return what psycopg connects with."""
        params: dict[str, Any] = super().get_connection_params()
        if params.pop("pooled", False):
            params["cursor_factory"] = TransactionCursor
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> BoundedConnection:
        """Connect. psycopg stays in autocommit; transactions are begun in `_set_autocommit`."""
        self.isolation_level = IsolationLevel.READ_COMMITTED
        return BoundedConnection.connect(**conn_params, autocommit=True)

    def init_connection_state(self) -> None:
        """Set what the server's defaults may have different, as far as the session keeps it."""
        super().init_connection_state()
        wanted = {} if self.is_pooled else dict(_SESSION)
        # A pooler carries this one along with the client, because the server reports it.
        if not (self.connection.info.parameter_status("DateStyle") or "").startswith("ISO"):
            wanted["DateStyle"] = _DATE_STYLE
        if wanted:
            calls = ", ".join("set_config(%s, %s, false)" for _ in wanted)
            with self.connection.cursor() as cursor:
                cursor.execute(f"SELECT {calls}", [part for pair in wanted.items() for part in pair])

    def is_usable(self) -> bool:
        """Return whether the connection answers; one that fell silent is not waited for long."""
        with statements.limited(_USABLE_WITHIN_S):
            return bool(super().is_usable())

    def _set_autocommit(self, autocommit: bool) -> None:
        if autocommit:
            return
        with self.wrap_database_errors:
            # Not by a cursor of the pooled kind, which would begin and end a transaction for it.
            ClientCursor(self.connection).execute(begin_statement())
