"""Which blocks are canonical: headers linked by parent hash, from the lowest block that matters up to the head. Pure.

The caller brings `fetch`, which asks one node for headers by number; whatever it answers, nothing is believed that
does not link (finality for both ends).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_NEW_HEADERS = 400
_STEP = 32


@dataclass(frozen=True, slots=True)
class Header:
    """A block's place in the chain; hashes in lower case."""

    number: int
    hash: str
    parent_hash: str


Fetch = Callable[[Sequence[int]], list[Header | None]]


@dataclass(frozen=True, slots=True)
class HeaderChain:
    """Linked headers by number, without gaps; empty when nothing is known. The highest is as far as we have looked."""

    headers: Mapping[int, Header]

    @property
    def tip(self) -> Header | None:
        """Return the highest linked header."""
        return self.headers[max(self.headers)] if self.headers else None

    def holds(self, number: int, block_hash: str) -> bool | None:
        """Return whether this block is canonical; None when its height is outside of what was looked at."""
        header = self.headers.get(number)
        return None if header is None else header.hash == block_hash


def parse_header(raw: Any) -> Header | None:
    """Return the header in an answer of eth_getBlockByNumber, or None."""
    try:
        return Header(int(raw["number"], 16), raw["hash"].lower(), raw["parentHash"].lower())
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def follow(known: HeaderChain, *, head: Header, floor: int, fetch: Fetch) -> HeaderChain:
    """Return the canonical chain from `floor` to `head` (to `floor` + MAX_NEW_HEADERS when more is new).

    `known` comes back unchanged when the node is merely behind, or changed its mind while it was asked: the next look
    decides.
    """
    if known.holds(head.number, head.hash):
        return known if floor in known.headers or floor > head.number else _downwards(known, floor, fetch)
    tip = known.tip
    start = floor if tip is None else max(floor, min(head.number, tip.number + 1))
    stop = min(head.number, start + MAX_NEW_HEADERS - 1)
    fresh = _fetched(range(start, stop + 1), head, fetch)
    if fresh is None:
        return known
    return _joined(known, fresh, floor, fetch)


def _fetched(numbers: range, head: Header, fetch: Fetch) -> dict[int, Header] | None:
    """Linked headers of these heights, or None when they do not link to each other."""
    if not numbers:
        return None
    wanted = [number for number in numbers if number != head.number]
    found = {header.number: header for header in fetch(wanted) if header is not None} if wanted else {}
    if head.number in numbers:
        found[head.number] = head
    linked = len(found) == len(numbers) and all(
        found[n].parent_hash == found[n - 1].hash for n in numbers if n - 1 in found
    )
    return found if linked else None


def _joined(known: HeaderChain, fresh: dict[int, Header], floor: int, fetch: Fetch) -> HeaderChain:
    """Walk down from the lowest fresh header until it links to what is known, or the floor is reached."""
    top = max(fresh)
    low = min(fresh)
    while low > floor:
        below = known.headers.get(low - 1)
        if below is not None and below.hash == fresh[low].parent_hash:
            kept = {n: h for n, h in known.headers.items() if floor <= n < low}
            return _downwards(HeaderChain(kept | fresh), floor, fetch)
        more = _fetched(range(max(floor, low - _STEP), low), fresh[low], fetch)
        if more is None or more[low - 1].hash != fresh[low].parent_hash:
            return known
        fresh |= more
        low = min(fresh)
    return HeaderChain({n: h for n, h in fresh.items() if floor <= n <= top})


def _downwards(chain: HeaderChain, floor: int, fetch: Fetch) -> HeaderChain:
    """Extend the chain down to a floor that has become lower."""
    headers = dict(chain.headers)
    low = min(headers)
    while low > floor:
        more = _fetched(range(max(floor, low - _STEP), low), headers[low], fetch)
        if more is None or more[low - 1].hash != headers[low].parent_hash:
            return chain
        headers |= more
        low = min(headers)
    return HeaderChain({n: h for n, h in headers.items() if n >= floor})
