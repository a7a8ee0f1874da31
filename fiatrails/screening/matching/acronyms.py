"""Words that spell the initials of others: "IRISL" and "Islamic Republic of Iran Shipping Lines"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from fiatrails.screening.matching.alignment import Link, Weigh
from fiatrails.screening.matching.text import Name

SHORTEST, LONGEST = 3, 8
# How sure it is that the letters stand for these words, and what each letter says at most, in nats: some listed name or
# other has any three letters in a row.
LIKENESS = 0.94
PER_LETTER = 2.5
# One letter of another alphabet.
_LETTERS = re.compile("shch|[cksz]h|ts|y[ua]")


@lru_cache(maxsize=65536)
def spellings(word: str) -> tuple[str, ...]:
    """Return the initials that a word may be: "chtpz" also "ctpz". None when it is no acronym."""
    if not SHORTEST <= len(word) <= LONGEST or not word.isalpha():
        return ()
    collapsed = _LETTERS.sub(lambda match: match[0][0], word).replace("c", "k")
    word = word.replace("c", "k")
    return (word,) if collapsed == word or len(collapsed) < SHORTEST else (word, collapsed)


def acronyms(name: Name) -> Iterator[str]:
    """Yield what others may call it for short: initials of neighbours, three only where the name begins or ends."""
    letters = name.initials
    for start in range(len(letters) - SHORTEST + 1):
        for end in range(start + SHORTEST, min(start + LONGEST, len(letters)) + 1):
            if end - start > SHORTEST or start == 0 or end == len(letters):
                yield letters[start:end]


def links(query: Name, listed: Name, weigh: Weigh) -> list[Link]:
    """Link words of either name that are an acronym in the other."""
    return [
        *((LIKENESS, _weight(length, run, listed, weigh), (i,), run) for i, length, run in _runs(query, listed)),
        *((LIKENESS, _weight(length, run, query, weigh), run, (j,)) for j, length, run in _runs(listed, query)),
    ]


def _runs(short: Name, long: Name) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Yield the number of each acronym, its letters, and the words that they begin."""
    if len(long.initials) < SHORTEST:
        return
    for number, word in enumerate(short.things):
        for letters in spellings(word):
            at = long.initials.find(letters)
            if at >= 0 and word not in long.things:
                owners = sorted({*long.initial_of[at : at + len(letters)]} - {-1})
                if len(owners) > 1:
                    yield number, len(letters), tuple(owners)
                break


def _weight(letters: int, run: tuple[int, ...], long: Name, weigh: Weigh) -> float:
    return min(PER_LETTER * letters, sum(weigh(long.things[number]) for number in run))
