"""What processes tell each other across a fork, and what stays known of one that was killed."""

from __future__ import annotations

import json
import mmap
from typing import Any

SIZE = 1 << 18
_HEAD = 4


class Slate:
    """A few named JSON values in memory that every fork shares. One process writes at a time, and none is ever killed
    while it writes: strikes fall on boundaries only."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SIZE)
        self.wipe()

    def wipe(self) -> None:
        """Forgets everything."""
        self._put({})

    def read(self, name: str) -> Any:
        """The value, or None when nobody wrote it."""
        return self._get().get(name)

    def write(self, name: str, value: object) -> None:
        """Keeps the value under its name."""
        self._put({**self._get(), name: value})

    def _get(self) -> dict[str, Any]:
        length = int.from_bytes(self._memory[:_HEAD], "big")
        content: dict[str, Any] = json.loads(self._memory[_HEAD : _HEAD + length])
        return content

    def _put(self, content: dict[str, Any]) -> None:
        raw = json.dumps(content).encode()
        self._memory[: _HEAD + len(raw)] = len(raw).to_bytes(_HEAD, "big") + raw
