"""What a database error says, in the server's own words, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from fiatrails.engine.postgres.driver import FellSilent

FORBIDDEN = "42501"
_DISK = "free space on the database's disk; payments are taken again by themselves"
# Refusals to connect carry no code: libpq gives text only, which the server may have translated. The codes come first.
_BY_CODE = {
    "53100": ("database_disk_full", _DISK),
    "53200": ("database_out_of_memory", "give the database server memory"),
    "53300": ("database_connections_exhausted", "raise max_connections, or run fewer processes or threads"),
    "53400": ("database_limit_reached", "raise the limit that the server names"),
    "25006": ("database_read_only", "point DATABASE_URL at the primary, or make the server writable"),
    "40001": ("database_busy", "do it again: two transactions met"),
    "40P01": ("database_busy", "do it again: two transactions met"),
    "55P03": ("database_busy", "do it again: a row stayed locked by another transaction"),
    "57014": ("database_slow", "do it again; if it stays so, see what the server is busy with"),
    "28P01": ("database_refused", "check the password in DATABASE_URL"),
    "28000": ("database_refused", "check the user in DATABASE_URL, and pg_hba.conf"),
    "3D000": ("database_missing", "create the database, or name another in DATABASE_URL"),
    FORBIDDEN: ("database_forbidden", "grant this right to the user of DATABASE_URL, or use the owner's address"),
    "08P01": ("database_refused", "see what the server or pooler says"),
}
_BY_TEXT = (
    ("password authentication failed", "28P01"),
    ("no such user", "28000"),
    ("no pg_hba.conf entry", "28000"),
    ("SASL authentication failed", "28P01"),
    ("auth failed", "28P01"),
    ("too many clients", "53300"),
    ("too many connections", "53300"),
    ("remaining connection slots", "53300"),
    ("no more connections allowed", "53300"),
    ("unsupported startup parameter", "08P01"),
    ("no such database", "3D000"),
    ('FATAL: database "', "3D000"),
    ('FATAL: role "', "28000"),
    ("No space left on device", "53100"),
    ("read-only transaction", "25006"),
)
_SILENT = ("database_silent", "check the network and the pooler between; the connection is made anew by itself")
_AWAY = ("database_unavailable", "check DATABASE_URL and run `fiatrails doctor`")


@dataclass(frozen=True, slots=True)
class DatabaseTrouble:
    """`code` is a stable word, `said` what the server or the driver said, `advice` what to do next."""

    code: str
    said: str
    advice: str
    sqlstate: str

    @property
    def sentence(self) -> str:
        """All of it, for a person."""
        return f"the database says: {self.said}; {self.advice}"


def explain(error: BaseException) -> DatabaseTrouble:
    """Return what a database error is, says and asks for. The server's words may name hosts and users, never a
    password: they are for logs and operators, not for clients."""
    cause = _driver_error(error)
    said = _without_password(" ".join(str(cause).split())) or type(cause).__name__
    sqlstate = str(getattr(cause, "sqlstate", None) or _state_by_text(said))
    code, advice = _SILENT if isinstance(cause, FellSilent) else _BY_CODE.get(sqlstate, _AWAY)
    return DatabaseTrouble(code, said, advice, sqlstate)


def in_words(error: BaseException) -> str:
    """Return the code and the server's own words, for a log line or a row."""
    found = explain(error)
    return f"{found.sqlstate} {found.said}".strip()


def _driver_error(error: BaseException) -> BaseException:
    """Return psycopg's error below Django's."""
    return error.__cause__ if type(error).__module__.startswith("django.db") and error.__cause__ else error


def _without_password(said: str) -> str:
    """Remove the password: who cannot read a malformed address quotes it whole."""
    password = settings.DATABASES["default"].get("PASSWORD")
    return said.replace(password, "***") if password else said


def _state_by_text(said: str) -> str:
    return next((state for text, state in _BY_TEXT if text in said), "")
