"""Keep what really happened in a simulator, whatever its replies and webhooks said."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from sandbox.kit.journal import Event, Journal


class AlreadyDone(Exception):
    """Raised when an event would do something a second time."""


class Book(ABC):
    """State made of events: each is written, fsynced, and read again at the next start.

    A subclass makes its empty state before it calls `super().__init__`, which applies the events of the journal, and
    reads the state under `self._lock`.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        for event in journal.read():
            self._apply(event)

    @abstractmethod
    def _apply(self, event: Event) -> None:
        """Change the state by one event; raise ValueError for an unknown one."""

    def _record(self, event: Event, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Write and apply an event, and return once it is on disk; raise AlreadyDone when `unless` holds."""
        with self._lock:
            if unless():
                raise AlreadyDone(event["event"])
            number = self._journal.append(event)
            self._apply(event)
        # Outside the lock, so that many waiting events share one fsync.
        self._journal.sync(number)
