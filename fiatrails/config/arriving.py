"""How much of an HTTP/1.1 request has arrived. It decides when a thread takes the request, and nothing else: gunicorn's
parser reads the same bytes afterwards and refuses what is malformed."""

from __future__ import annotations

import re
from enum import Enum

# gunicorn refuses longer lines and more fields; a head of allowed lines may still be longer than anybody needs.
MAX_HEAD_BYTES = 32 * 1024
# Above what the API reads (`api.bodies.MAX_BODY_BYTES`) and above what a form of the admin holds.
MAX_BODY_BYTES = 80 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_CONTINUE = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_MAX_SIZE_LINE = 256


class Progress(Enum):
    """What has arrived. TOO_LARGE: a body that nobody will read, or a head without an end."""

    HEAD = "head"
    BODY = "body"
    COMPLETE = "complete"
    TOO_LARGE = "too large"


class Arriving:
    """The bytes of one request, and of what follows it, as they come. `began`: monotonic seconds of the first look."""

    __slots__ = ("_body_at", "_chunk_at", "_needed", "began", "data", "progress")

    def __init__(self, began: float) -> None:
        self.began = began
        self.data = bytearray()
        self.progress = Progress.HEAD
        self._body_at = 0
        # Where the body ends; None for chunks, whose next size line is at `_chunk_at`.
        self._needed: int | None = 0
        self._chunk_at = 0

    def feed(self, more: bytes) -> Progress:
        """Add bytes and return how far the request is. Every byte is looked at once or twice, however small the pieces
        are."""
        searched = max(0, len(self.data) - 3)
        self.data += more
        if self.progress is Progress.HEAD:
            self._read_head(searched)
        if self.progress is Progress.BODY:
            self._read_body()
        return self.progress

    def take_expectation(self) -> bool:
        """Return whether the client waits for `100 Continue` before it sends the body. The field is taken out, so that
        gunicorn does not answer it as well."""
        if self.progress is not Progress.BODY or (found := _CONTINUE.search(self.data, 0, self._body_at)) is None:
            return False
        removed = found.end() - found.start() - 2
        del self.data[found.start() : found.end() - 2]
        self._body_at -= removed
        self._chunk_at -= removed
        if self._needed is not None:
            self._needed -= removed
        return True

    def _read_head(self, searched: int) -> None:
        end = self.data.find(b"\r\n\r\n", searched)
        if end < 0:
            if len(self.data) > MAX_HEAD_BYTES:
                self.progress = Progress.TOO_LARGE
            return
        self._body_at = self._chunk_at = end + 4
        self.progress = Progress.BODY
        # Up to the line end that closes the last field.
        if _CHUNKED.search(self.data, 0, end + 2):
            self._needed = None
        elif (length := _LENGTH.search(self.data, 0, end + 2)) is not None:
            self._needed = self._body_at + int(length[1])
        else:
            # No body, or a length that the parser refuses.
            self.progress = Progress.COMPLETE

    def _read_body(self) -> None:
        if self._needed is None:
            self._read_chunks()
        elif len(self.data) >= self._needed:
            self.progress = Progress.COMPLETE
        elif self._needed - self._body_at > MAX_BODY_BYTES:
            self.progress = Progress.TOO_LARGE

    def _read_chunks(self) -> None:
        """Follow the chunks; a malformed one counts as the end, where the parser refuses it."""
        while self.progress is Progress.BODY and (line := self._size_line()) is not None:
            try:
                size = int(line.split(b";", 1)[0], 16)
            except ValueError:
                size = -1
            if size > 0:
                self._chunk_at += len(line) + 2 + size + 2
            elif size < 0 or self._trailer_ends(self._chunk_at + len(line)):
                self.progress = Progress.COMPLETE
            else:
                break
        if self.progress is Progress.BODY and max(self._chunk_at, len(self.data)) - self._body_at > MAX_BODY_BYTES:
            self.progress = Progress.TOO_LARGE

    def _size_line(self) -> bytes | None:
        """Return the size line of the next chunk without its end; None while it has not arrived."""
        if self._chunk_at >= len(self.data):
            return None
        end = self.data.find(b"\r\n", self._chunk_at, self._chunk_at + _MAX_SIZE_LINE)
        if end >= 0:
            return bytes(self.data[self._chunk_at : end])
        return None if len(self.data) - self._chunk_at < _MAX_SIZE_LINE else b"malformed"

    def _trailer_ends(self, at: int) -> bool:
        return self.data.startswith(b"\r\n\r\n", at) or self.data.find(b"\r\n\r\n", at) >= 0
