"""An index over the names of a list: from the words of a query to the few names worth comparing with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from math import inf, log

from fiatrails.compliance.ofac.entities import EntityType, ListedEntity, NameKind
from fiatrails.compliance.ofac.scoring import best_case
from fiatrails.compliance.ofac.sounds import fold, frame, likeness
from fiatrails.compliance.ofac.text import Name, parse

MAX_CANDIDATES = 64
# An alignment may match words that the index did not find to be neighbours: candidates get that much (log-odds) credit.
SLACK = 2.0
# Words borne by more names than this bring no candidates of their own while a rarer word of the query does.
COMMON = 400
_CACHED_WORDS = 20_000
# Letters of a word long enough to be found by its beginning or its end, and of these.
_LONG, _END = 6, 4
# Entities of the list on which the words were counted.
_POPULATION = 14_965


@dataclass(frozen=True, slots=True)
class IndexedName:
    """One name of one entity. `total` is the weight of its words in nats."""

    entity: int
    type: EntityType
    kind: NameKind
    name: Name
    total: float


class NameIndex:
    """Immutable after construction; safe to share between threads. About 34,000 names in a few seconds."""

    def __init__(self, entities: Iterable[ListedEntity]) -> None:
        self.entities = tuple(entities)
        parsed = [
            (number, listed.kind, parse.__wrapped__(listed.text, entity.type))
            for number, entity in enumerate(self.entities)
            for listed in entity.names
        ]
        self._bearers = _bearers(parsed)
        self._nats: dict[str, float] = {}
        self.names = tuple(
            IndexedName(number, self.entities[number].type, kind, name, sum(map(self.weigh, name.tokens)))
            for number, kind, name in parsed
            if name.tokens
        )
        self._build()
        self.neighbours = lru_cache(maxsize=_CACHED_WORDS)(self._neighbours)

    def weigh(self, word: str) -> float:
        """How much the word says, in nats: the rarer among listed entities, the more."""
        nats = self._nats.get(word)
        return weigh(word, self.bearers(word)) if nats is None else nats

    def bearers(self, word: str) -> int:
        """How many listed entities bear the word, in any spelling of its sound."""
        return self._bearers.get(fold(word), 0)

    def candidates(self, query: Name, *, slack: float = SLACK) -> list[tuple[int, float]]:
        """Names that may be the query's, as number and about the most logit that their score can have; the likeliest
        first, at most `MAX_CANDIDATES`."""
        total = sum(map(self.weigh, query.tokens))
        bounds = ((self._bound(number, weight, total), number) for number, weight in self._gather(query.tokens).items())
        close = [(-bound, number) for bound, number in bounds if bound >= -slack]
        close.sort()
        return [(number, -bound) for bound, number in close[:MAX_CANDIDATES]]

    def _bound(self, number: int, weight: float, total: float) -> float:
        """The best case, if the words that found this candidate are all that match. What was found by words written
        together is compared in any case."""
        if weight == inf:
            return weight
        listed = self.names[number]
        return best_case(min(weight, total, listed.total), total, listed.total, listed.type)

    def _gather(self, words: Sequence[str]) -> dict[int, float]:
        """Weight found, by name."""
        found: dict[int, float] = defaultdict(float)
        times = Counter(words)
        finds = sorted(((*self._finds(word), times[word]) for word in times), key=lambda find: find[0])
        for bearers, weighted, repeated in finds:
            fresh = bearers <= COMMON or not found
            for postings, weight in weighted:
                for number in postings:
                    if fresh or number in found:
                        found[number] += weight * repeated
        for joined in self._joined_words(words):
            for number in joined:
                found[number] = inf
        return found

    def _finds(self, word: str) -> tuple[int, list[tuple[list[int], float]]]:
        weighted = [
            (self._postings[near], alike * min(self.weigh(word), self.weigh(near)))
            for near, alike in self.neighbours(word)
        ]
        return sum(len(postings) for postings, _ in weighted), weighted

    def _joined_words(self, words: Sequence[str]) -> Iterable[list[int]]:
        """Names of which two neighbouring words, or all, are written together in the query, or the other way round."""
        for word in words:
            if len(word) >= 5 and (numbers := self._together.get(fold(word))):
                yield numbers
        for one, other in pairwise(words):
            for near in self._by_fold.get(fold(one + other), ()):
                yield self._postings[near]

    def _neighbours(self, word: str) -> tuple[tuple[str, float], ...]:
        """Listed words that this one may be, with their likeness."""
        folded = fold(word)
        near = {word} if word in self._postings else set()
        near.update(self._by_fold.get(folded, ()))
        if len(word) > 1 and not word.isdigit():
            near.update(self._by_frame.get(frame(word), ()))
            for key in _deletions(folded):
                near.update(self._by_deletion.get(key, ()))
            for key in _ends(folded):
                near.update(self._by_end.get(key, ()))
        alike = ((other, likeness(word, other)) for other in near)
        return tuple(sorted((pair for pair in alike if pair[1]), key=lambda pair: (-pair[1], pair[0])))

    def _build(self) -> None:
        self._postings: dict[str, list[int]] = defaultdict(list)
        self._together: dict[str, list[int]] = defaultdict(list)
        for number, entry in enumerate(self.names):
            for word in dict.fromkeys(entry.name.tokens):
                self._postings[word].append(number)
            for joined in _together(entry.name.tokens):
                self._together[joined].append(number)
        self._nats = {word: self.weigh(word) for word in self._postings}
        self._by_fold = _grouped(self._postings, lambda word: (fold(word),))
        self._by_frame = _grouped(self._postings, _frames)
        self._by_deletion = _grouped(self._postings, lambda word: _deletions(fold(word)))
        self._by_end = _grouped(self._postings, lambda word: _ends(fold(word)))


def weigh(word: str, bearers: int = 0) -> float:
    """Nats. A word is as common as a full list says, also where the list at hand is a short one."""
    return 1.0 + log((_POPULATION + 1) / (max(bearers, _frequencies().get(fold(word), 0)) + 1))


@cache
def _frequencies() -> dict[str, int]:
    lines = files(__package__).joinpath("frequencies.txt").read_text(encoding="utf-8").splitlines()
    counted = (line.split() for line in lines if not line.startswith("#"))
    return {word: int(number) for number, *words in counted for word in words}


def _bearers(parsed: Iterable[tuple[int, NameKind, Name]]) -> Counter[str]:
    """How many entities bear each word, spellings of one sound together."""
    return Counter(word for word, _ in {(fold(token), number) for number, _, name in parsed for token in name.tokens})


def _together(words: Sequence[str]) -> set[str]:
    pairs = {one + other for one, other in pairwise(words)}
    whole = {"".join(words)} if 2 < len(words) <= 4 else set()
    return {fold(joined) for joined in pairs | whole if len(joined) >= 5}


def _frames(word: str) -> tuple[str, ...]:
    bones = frame(word)
    return (bones,) if len(bones) >= 3 and not word.isdigit() else ()


def _deletions(folded: str) -> tuple[str, ...]:
    """The word and the word less any one letter: two words that share one are at most two slips apart."""
    if len(folded) < 4 or folded.isdigit():
        return (folded,)
    return (folded, *{folded[:i] + folded[i + 1 :] for i in range(len(folded))})


def _ends(folded: str) -> tuple[str, ...]:
    """How a long word begins and how it ends: of two spellings more than two slips apart, one is often the same."""
    if len(folded) < _LONG or folded.isdigit():
        return ()
    return (f"{folded[:_END]}-", f"-{folded[-_END:]}")


def _grouped(words: Iterable[str], keys: Callable[[str], Iterable[str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for word in words:
        for key in keys(word):
            groups[key].append(word)
    return {key: tuple(group) for key, group in groups.items()}
