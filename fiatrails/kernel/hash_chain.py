"""Recomputing a hash chain in Python, apart from the trigger that wrote it: both must agree on every byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class StoredLink:
    """A link as stored; `fields` is the content it covers (without `seq`), None when the covered row is
    gone."""

    seq: int
    previous: bytes
    digest: bytes
    fields: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head written down earlier, elsewhere. It alone shows that the end of a chain was cut off."""

    seq: int
    digest: bytes


def content(fields: Iterable[str]) -> bytes:
    """Return the fields as netstrings `<bytes>:<text>`, so that no two field lists run together to the same bytes."""
    encoded = (field.encode() for field in fields)
    return b"".join(b"%d:%b" % (len(field), field) for field in encoded)


class ChainWalk:
    """Follows a chain from its first link; `broken` is the first seq that does not hold, and `why`."""

    def __init__(self, *, anchor: Anchor | None = None) -> None:
        self.seq = 0
        self.digest = GENESIS
        self.broken: int | None = None
        self.why = ""
        self._anchor = anchor

    def follow(self, links: Iterable[StoredLink]) -> None:
        """Check the next links, in order; stop at the first broken one."""
        for link in links:
            if self.broken is not None:
                return
            why = self._fault(link)
            if why:
                self.broken, self.why = self.seq + 1, why
            else:
                self.seq, self.digest = link.seq, link.digest

    def finish(self) -> None:
        """Check the anchor after the last link: one beyond the end means that links were removed."""
        if self.broken is None and self._anchor is not None and self._anchor.seq > self.seq:
            self.broken, self.why = self.seq + 1, f"the chain ends before its anchor at {self._anchor.seq}"

    def _fault(self, link: StoredLink) -> str:
        if link.seq != self.seq + 1:
            return f"link {self.seq + 1} is missing"
        if link.previous != self.digest:
            return "does not follow from the link before"
        if link.fields is None:
            return "its row is gone"
        if hashlib.sha256(link.previous + content((str(link.seq), *link.fields))).digest() != link.digest:
            return "its row was changed"
        if self._anchor is not None and self._anchor.seq == link.seq and self._anchor.digest != link.digest:
            return "differs from the anchor"
        return ""
