"""Open dead letters as files `item-<ID>.json` in DLQ_DIR, for the runbook's `cat /app/dlq/*.json | jq .`.

The table is the truth; the files follow it after each commit and are brought up to date by `synchronise`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)
_LOCK = ".lock"


def file_of(directory: Path, item_id: str) -> Path:
    """Return the path that an item is mirrored to."""
    return directory / f"item-{item_id}.json"


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the lock under which one process at a time reads the table and writes the files. Otherwise one that read an
    item as open could write its file after another had closed the item and removed it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write(directory: Path, item_id: str, shown: Mapping[str, object]) -> None:
    """Write one item; a reader sees the old file, the new one or none, never half of one."""
    target = file_of(directory, item_id)
    scratch = target.with_suffix(f".{os.getpid()}.tmp")
    scratch.touch(mode=0o600)  # payloads carry phone numbers
    scratch.write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")
    scratch.replace(target)


def remove(directory: Path, item_id: str) -> None:
    """Remove the file of a closed item, if there is one."""
    file_of(directory, item_id).unlink(missing_ok=True)


def keep_only(directory: Path, item_ids: set[str]) -> None:
    """Remove the files of all other items, and what killed writers left behind."""
    wanted = {file_of(directory, item_id) for item_id in item_ids}
    for path in (*directory.glob("item-*.json"), *directory.glob("item-*.tmp")):
        if path not in wanted:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Log what a full or missing disk raises: it must not turn a committed dead letter into an error."""
    try:
        yield
    except OSError as error:
        _log.warning("dlq_mirror_failed", what=what, errno=error.errno, error=error.strerror)
