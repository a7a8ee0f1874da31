"""Keep the last entries of what went in and out."""

import threading
from collections import deque
from typing import Any

_LENGTH = 10_000


class Log:
    """The last 10,000 entries, in memory: a restart forgets them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[dict[str, Any]] = deque(maxlen=_LENGTH)

    def add(self, entry: dict[str, Any]) -> None:
        """Add one entry."""
        with self._lock:
            self._entries.append(entry)

    def entries(self, field: str, value: str | None) -> list[dict[str, Any]]:
        """Return the entries whose field has this value, or all when it is None, oldest first."""
        with self._lock:
            return [entry for entry in self._entries if value is None or entry[field] == value]
