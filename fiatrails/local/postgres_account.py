"""Whom the embedded PostgreSQL runs as when we are root, and the way to its files for that account."""

import contextlib
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


class PostgresFailedError(RuntimeError):
    """The embedded server could not be set up, started or stopped."""


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """Whom the server runs as when we are root, which PostgreSQL refuses to be."""

    uid: int
    gid: int


def unprivileged_account() -> ServerAccount:
    """Return the machine's `postgres` account where there is one, else `nobody`: none is created."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return ServerAccount(entry.pw_uid, entry.pw_gid)
    raise PostgresFailedError(
        "PostgreSQL refuses to run as root, and this machine has neither a `postgres` nor a `nobody` "
        "account. Run as another user, or create one of them."
    )


def allow_traversal(path: Path, account: ServerAccount) -> None:
    """Let the account traverse (not list, not read) the directories above a path."""
    for directory in path.parents:
        state = directory.stat()
        if state.st_uid != account.uid and not state.st_mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(state.st_mode) | stat.S_IXOTH)


def allow_reading(installation: Path) -> None:
    """Undo a private umask at install time: the binaries and their data are public files."""
    if (installation / "bin" / "postgres").stat().st_mode & stat.S_IXOTH:
        return
    for path in (installation, *installation.rglob("*")):
        mode = path.stat().st_mode
        readable = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        path.chmod(stat.S_IMODE(mode) | readable)
