"""Keep events in an append-only file of JSON lines, the only thing that survives the process."""

import fcntl
import json
import os
import threading
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class JournalInUse(Exception):
    """Raised when another simulator has the same state directory."""


class Journal:
    """Appends events in order; one fsync serves every append that was waiting for it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise JournalInUse(f"another simulator uses {path}") from None
        self._append_lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._appended = 0
        self._synced = 0

    def read(self) -> list[Event]:
        """Return every whole event, and cut off a last line that a crash left torn."""
        self._file.seek(0)
        whole, newline, _torn = self._file.read().rpartition(b"\n")
        self._file.truncate(len(whole) + len(newline))
        return [json.loads(line) for line in whole.splitlines()]

    def append(self, event: Event) -> int:
        """Write an event and return its number; it is durable only after `sync`."""
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        with self._append_lock:
            self._file.write(line)
            self._appended += 1
            return self._appended

    def sync(self, number: int) -> None:
        """Return once the numbered event is on disk."""
        with self._sync_lock:
            if self._synced >= number:
                return
            reached = self._appended
            os.fsync(self._file.fileno())
            self._synced = reached
