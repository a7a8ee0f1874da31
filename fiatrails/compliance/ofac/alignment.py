"""Which word of one name stands for which of the other, one to one, and how much of each name that explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fiatrails.compliance.ofac.sounds import likeness

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
    """The best one-to-one pairing, most alike first; on equal likeness the rarer word, then the earlier. `more`: links
    that are not seen from the words themselves."""
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
    """Neighbours written together on one side: "Pol Pot" and "Polpot", "Ya Mahdi" and "Yamahdi"."""
    links: list[Link] = []
    for mine in _runs(query, firm_query):
        for theirs in _runs(listed, firm_listed):
            if (len(mine) > 1) == (len(theirs) > 1):
                continue
            one, other = "".join(query[i] for i in mine), "".join(listed[j] for j in theirs)
            alike = likeness(one, other) if abs(len(one) - len(other)) <= JOINED_SLIPS else 0.0
            if alike >= JOINED_FLOOR:
                parts = [query[i] for i in mine] if len(mine) > 1 else [listed[j] for j in theirs]
                links.append((alike, max(_weight(one, other, weigh), *map(weigh, parts)), mine, theirs))
    return links


def _runs(words: Sequence[str], firm: set[int]) -> list[tuple[int, ...]]:
    """Every free word, and two or three free neighbours together."""
    free = [i for i in range(len(words)) if i not in firm]
    runs = [(i,) for i in free]
    longer = [tuple(range(i, i + n)) for n in (2, 3) for i in free if i + n <= len(words)]
    return [*runs, *(run for run in longer if not firm.intersection(run))]


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
        pairs=pairs, query_alone=alone[0], listed_alone=alone[1],
        query_total=whole + sum(map(weigh, alone[0])), listed_total=whole + sum(map(weigh, alone[1])),
        matched=sum(pair.weight * pair.likeness for pair in pairs), swapped=order != sorted(order),
    )  # fmt: skip
