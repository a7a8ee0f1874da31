"""Which word of one name stands for which of the other, one to one, and how much of each name that explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fiatrails.screening.matching.phonetics import likeness

Weigh = Callable[[str], float]
# Likeness, weight, and the numbers of the words on either side.
Link = tuple[float, float, tuple[int, ...], tuple[int, ...]]

# Two words written as one, or one as two, are taken for the same only when hardly a letter differs.
JOINED_FLOOR = 0.90
JOINED_SLIPS = 3
INITIAL_WEIGHT = 0.25


@dataclass(frozen=True, slots=True)
class Pair:
    """`query` and `listed` are words, or two neighbours written together; `likeness` 0 to 1; `weight` in nats, how
    rare the word is among listed names."""

    query: str
    listed: str
    likeness: float
    weight: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """Weights in nats: `matched`, discounted by likeness, of each side's total; the words without a partner."""

    pairs: tuple[Pair, ...]
    query_alone: tuple[str, ...]
    listed_alone: tuple[str, ...]
    query_total: float
    listed_total: float
    matched: float
    swapped: bool


def align(query: Sequence[str], listed: Sequence[str], weigh: Weigh, more: Sequence[Link] = ()) -> Alignment:
    """Return the best one-to-one pairing, most alike first; on equal likeness the rarer word, then the earlier. `more`:
    links that are not seen from the words themselves."""
    links = [*_links(query, listed, weigh), *more]
    links.sort(key=lambda link: (-link[0], -link[1], link[2], link[3]))
    query_free, listed_free = set(range(len(query))), set(range(len(listed)))
    chosen: list[tuple[int, int, Pair]] = []
    for alike, weight, mine, theirs in links:
        if query_free.issuperset(mine) and listed_free.issuperset(theirs):
            query_free.difference_update(mine)
            listed_free.difference_update(theirs)
            words = ("".join(query[i] for i in mine), "".join(listed[j] for j in theirs))
            chosen.append((mine[0], theirs[0], Pair(*words, alike, weight)))
    alone = (tuple(query[i] for i in sorted(query_free)), tuple(listed[j] for j in sorted(listed_free)))
    return _summary(chosen, alone, weigh)


def _links(query: Sequence[str], listed: Sequence[str], weigh: Weigh) -> list[Link]:
    links: list[Link] = []
    firm_query, firm_listed = set(), set()
    for i, mine in enumerate(query):
        for j, theirs in enumerate(listed):
            alike = likeness(mine, theirs)
            if alike:
                links.append((alike, _weight(mine, theirs, weigh), (i,), (j,)))
                if alike >= JOINED_FLOOR:
                    firm_query.add(i)
                    firm_listed.add(j)
    if len(firm_query) < len(query) and len(firm_listed) < len(listed):
        links += _joined(query, listed, firm_query, firm_listed, weigh)
    return links


def _joined(
    query: Sequence[str], listed: Sequence[str], firm_query: set[int], firm_listed: set[int], weigh: Weigh
) -> list[Link]:
    """Link neighbours written together on one side: "Pol Pot" and "Polpot", "Ya Mahdi" and "Yamahdi"."""
    links: list[Link] = []
    mine_alone, mine_joined = _runs(query, firm_query)
    theirs_alone, theirs_joined = _runs(listed, firm_listed)
    for mine, one in mine_joined:
        for j in theirs_alone:
            if abs(len(one) - len(listed[j])) <= JOINED_SLIPS and (alike := likeness(one, listed[j])) >= JOINED_FLOOR:
                weight = max(_weight(one, listed[j], weigh), *(weigh(query[i]) for i in mine))
                links.append((alike, weight, mine, (j,)))
    for theirs, other in theirs_joined:
        for i in mine_alone:
            if abs(len(query[i]) - len(other)) <= JOINED_SLIPS and (alike := likeness(query[i], other)) >= JOINED_FLOOR:
                weight = max(_weight(query[i], other, weigh), *(weigh(listed[j]) for j in theirs))
                links.append((alike, weight, (i,), theirs))
    return links


def _runs(words: Sequence[str], firm: set[int]) -> tuple[list[int], list[tuple[tuple[int, ...], str]]]:
    """Return the free words; and two or three free neighbours, with what they are together."""
    free = [i for i in range(len(words)) if i not in firm]
    joined: list[tuple[tuple[int, ...], str]] = []
    for at, (one, other) in enumerate(pairwise(free)):
        if other == one + 1:
            two = words[one] + words[other]
            joined.append(((one, other), two))
            if at + 2 < len(free) and free[at + 2] == one + 2:
                joined.append(((one, other, one + 2), two + words[one + 2]))
    return free, joined


def _weight(mine: str, theirs: str, weigh: Weigh) -> float:
    if len(mine) == 1 or len(theirs) == 1:
        return INITIAL_WEIGHT * max(weigh(mine), weigh(theirs))
    return min(weigh(mine), weigh(theirs))


def _summary(
    chosen: list[tuple[int, int, Pair]], alone: tuple[tuple[str, ...], tuple[str, ...]], weigh: Weigh
) -> Alignment:
    chosen.sort(key=lambda link: link[:2])
    pairs = tuple(pair for _, _, pair in chosen)
    whole = sum(pair.weight for pair in pairs)
    order = [theirs for _, theirs, _ in chosen]
    return Alignment(
        pairs=pairs,
        query_alone=alone[0],
        listed_alone=alone[1],
        query_total=whole + sum(map(weigh, alone[0])),
        listed_total=whole + sum(map(weigh, alone[1])),
        matched=sum(pair.weight * pair.likeness for pair in pairs),
        swapped=order != sorted(order),
    )
