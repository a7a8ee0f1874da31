"""How long one statement may take, by who asks. The database's backend holds to it (`engine/postgres`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# A request has somebody who waits; the callbacks' group commit has ten seconds for two tries.
REQUEST_S = 4.0
# A pass of a worker's loop: longer than the ten seconds that it may wait for a lock.
PASS_S = 15.0
# A periodic job reads whole tables.
JOB_S = 120.0

_of_process: list[float | None] = [None]
_of_task: ContextVar[float | None] = ContextVar("statement_limit_s")


def limit_s() -> float | None:
    """Return how many seconds a statement of the running task may take; None: as long as it takes."""
    return _of_task.get(_of_process[0])


def limit_process(seconds: float | None) -> None:
    """Set the limit of everything in this process that has none of its own."""
    _of_process[0] = seconds


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Limit the statements of a block, in this thread."""
    token = _of_task.set(seconds)
    try:
        yield
    finally:
        _of_task.reset(token)
