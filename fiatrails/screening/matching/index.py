"""An index over the names of a list: from the words of a query to the few names worth comparing with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from math import inf, log

from fiatrails.screening.entities import EntityType, ListedEntity, NameKind
from fiatrails.screening.matching import acronyms
from fiatrails.screening.matching.alignment import Alignment, Weigh, align
from fiatrails.screening.matching.phonetics import fold, frame, likeness
from fiatrails.screening.matching.scoring import best_case
from fiatrails.screening.matching.text import Name, parse
from fiatrails.screening.matching.words import GENERIC

MAX_CANDIDATES = 64
# An alignment may match words that the index did not find to be neighbours: candidates get that much (log-odds) credit.
# Among the words of organisations that happens more often: they are longer, and are translated.
SLACK, SLACK_OF_THINGS = 2.0, 1.0
# Initials find nothing, and weigh less than the words that they stand for.
OF_INITIALS = 6.0
# Words borne by more names than this bring no candidates of their own while a rarer word of the query does.
COMMON = 400
_CACHED_WORDS = 20_000
# Letters of a word long enough to be found by its beginning or its end, and of these.
_LONG, _END = 6, 4
# Entities of the list on which the words were counted.
_POPULATION = 14_965
# What a word that everybody's company bears says, beside another that is as frequent on the list.
_GENERIC = 0.6


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
        self.weigh = lru_cache(maxsize=_CACHED_WORDS)(self._weigh)
        self.weigh_thing = lru_cache(maxsize=_CACHED_WORDS)(self._weigh_thing)
        self.names = tuple(
            IndexedName(number, type := self.entities[number].type, kind, name, self._total(name, type))
            for number, kind, name in parsed
            if name.tokens
        )
        self._of_a_person = [entry.type is EntityType.PERSON for entry in self.names]
        self._build()
        self.finds = lru_cache(maxsize=_CACHED_WORDS)(self._finds)

    def align(self, query: Name, listed: IndexedName) -> Alignment:
        """Return which word stands for which."""
        return align_names(query, listed.name, listed.type, self.weighing(listed.type))

    def weighing(self, type: EntityType) -> Weigh:
        """Return how much a word says in the name of such an entity, in nats: the rarer among listed entities, the
        more."""
        return self.weigh if type is EntityType.PERSON else self.weigh_thing

    def bearers(self, word: str) -> int:
        """Return how many listed entities bear the word, in any of its spellings."""
        return self._bearers.get(fold(word), 0)

    def _weigh(self, word: str) -> float:
        return weigh(word, self.bearers(word))

    def _weigh_thing(self, word: str) -> float:
        return self.weigh(word) * (_GENERIC if word in GENERIC else 1.0)

    def _total(self, name: Name, type: EntityType) -> float:
        return sum(map(self.weighing(type), name.words(type)))

    def candidates(self, query: Name, *, beyond: float = 0.0) -> list[tuple[int, float]]:
        """Return names that may be the query's, as number and about the most logit that their score can have; the
        likeliest first, at most `MAX_CANDIDATES`. `beyond`: so much farther from the threshold than a screening
        looks."""
        totals = (self._total(query, EntityType.ORGANIZATION), self._total(query, EntityType.PERSON))
        initials = OF_INITIALS if any(len(word) == 1 and word.isalpha() for word in query.tokens) else 0.0
        floors = (-slack(EntityType.ORGANIZATION) - beyond, -slack(EntityType.PERSON) - beyond - initials)
        least = (
            least_weight(EntityType.ORGANIZATION, int(totals[0]), floors[0]),
            least_weight(EntityType.PERSON, int(totals[1]), floors[1]),
        )
        of_a_person = self._of_a_person
        close = [
            (-bound, number)
            for number, weight in self._gather(query).items()
            if weight >= least[of_a_person[number]]
            and (bound := self._bound(number, weight, totals)) >= floors[of_a_person[number]]
        ]
        close.sort()
        return [(number, -bound) for bound, number in close[:MAX_CANDIDATES]]

    def _bound(self, number: int, weight: float, totals: tuple[float, float]) -> float:
        """Return the best case, if the words that found this candidate are all that match. What was found by words
        written together, or by their initials, is compared in any case: such a pair weighs less than its words."""
        if weight == inf:
            return weight
        listed = self.names[number]
        total = totals[listed.type is EntityType.PERSON]
        if not total:
            return -inf  # asked for a person, and listed as none
        return best_case(min(weight, total, listed.total), total, listed.total, listed.type)

    def _gather(self, query: Name) -> dict[int, float]:
        """Return the weight found, by name."""
        found: dict[int, float] = defaultdict(float)
        words = Counter(query.tokens) if query.tokens == query.things else Counter(query.tokens) | Counter(query.things)
        finds = sorted(((*self.finds(word), words[word]) for word in words), key=lambda find: find[0])
        for bearers, weighted, times in finds:
            fresh = bearers <= COMMON or not found
            for postings, weight in weighted:
                for number in postings:
                    if fresh or number in found:
                        found[number] += weight * times
        for letters, numbers in self._spelled_out(query):
            for number in numbers:
                if letters > acronyms.SHORTEST or number in found:
                    found[number] = inf
        for joined in self._joined_words(query.tokens):
            for number in joined:
                found[number] = inf
        return found

    def _finds(self, word: str) -> tuple[int, list[tuple[list[int], float]]]:
        """Return how many names have a word that this one may be; those names, by word, with what it then says in
        nats."""
        weight = self.weigh(word)
        weighted = [
            (self._postings[near], alike * min(weight, self.weigh(near))) for near, alike in self._neighbours(word)
        ]
        return sum(len(postings) for postings, _ in weighted), weighted

    def _joined_words(self, words: Sequence[str]) -> Iterable[list[int]]:
        """Return names of which two neighbouring words, or all, are written together in the query, or the other way
        round."""
        for word in words:
            if len(word) >= 5 and (numbers := self._together.get(fold(word))):
                yield numbers
        for one, other in pairwise(words):
            for near in self._by_fold.get(fold(one + other), ()):
                yield self._postings[near]

    def _spelled_out(self, query: Name) -> Iterator[tuple[int, Sequence[int]]]:
        """Yield names in which a word of the query is an acronym, or that bear an acronym of the query's own; the
        letters."""
        for word in query.things:
            for letters in acronyms.spellings(word):
                yield len(letters), self._acronyms.get(letters, ())
        for letters in acronyms.acronyms(query):
            yield len(letters), self._short.get(letters, ())

    def _neighbours(self, word: str) -> list[tuple[str, float]]:
        """Return listed words that this one may be, with their likeness, the most alike first."""
        folded = fold(word)
        near = {word} if word in self._postings else set()
        near.update(self._by_fold.get(folded, ()))
        if len(word) > 1 and not word.isdigit():
            near.update(self._by_frame.get(frame(word), ()))
            for key in _deletions(folded):
                near.update(self._by_deletion.get(key, ()))
            for key in _ends(folded):
                near.update(self._by_end.get(key, ()))
        alike = sorted((-found, other) for other in near if (found := likeness(word, other)))
        return [(other, -found) for found, other in alike]

    def _build(self) -> None:
        self._postings: dict[str, list[int]] = defaultdict(list)
        self._together: dict[str, list[int]] = defaultdict(list)
        self._acronyms: dict[str, list[int]] = defaultdict(list)
        self._short: dict[str, list[int]] = defaultdict(list)
        for number, entry in enumerate(self.names):
            for letters in dict.fromkeys(acronyms.acronyms(entry.name)):
                self._acronyms[letters].append(number)
            for letters in {letters for word in entry.name.things for letters in acronyms.spellings(word)}:
                self._short[letters].append(number)
            for word in dict.fromkeys(entry.name.tokens):
                self._postings[word].append(number)
            for joined in _together(entry.name.tokens):
                self._together[joined].append(number)
        self._by_fold = _grouped(self._postings, lambda word: (fold(word),))
        self._by_frame = _grouped(self._postings, _frames)
        self._by_deletion = _grouped(self._postings, lambda word: _deletions(fold(word)))
        self._by_end = _grouped(self._postings, lambda word: _ends(fold(word)))


def align_names(query: Name, listed: Name, type: EntityType, weigh: Weigh) -> Alignment:
    """Align them as names of such an entity; acronyms are of what is no person."""
    short = [] if type is EntityType.PERSON else acronyms.links(query, listed, weigh)
    return align(query.words(type), listed.words(type), weigh, short)


@lru_cache(maxsize=1024)
def least_weight(type: EntityType, total: int, floor: float) -> float:
    """Return the least weight with which any listed name can come near a query of this total: cheaper than each one's
    bound, and most names that are found share but a common word."""
    low, high = 0.0, float(total)
    for _ in range(8):
        middle = (low + high) / 2
        near = middle and best_case(middle, total, middle, type) >= floor
        low, high = (low, middle) if near else (middle, high)
    return low


def slack(type: EntityType) -> float:
    """Return how far below the threshold a bound may lie."""
    return SLACK if type is EntityType.PERSON else SLACK_OF_THINGS


def weigh(word: str, bearers: int = 0) -> float:
    """Return how much a word says, in nats. A word is as common as a full list says, also where the list at hand is a
    short one."""
    return 1.0 + log((_POPULATION + 1) / (max(bearers, _frequencies().get(fold(word), 0)) + 1))


@cache
def _frequencies() -> dict[str, int]:
    lines = files(__package__).joinpath("frequencies.txt").read_text(encoding="utf-8").splitlines()
    counted = (line.split() for line in lines if not line.startswith("#"))
    return {word: int(number) for number, *words in counted for word in words}


def _bearers(parsed: Iterable[tuple[int, NameKind, Name]]) -> Counter[str]:
    """Return how many entities bear each word, spellings of one word together."""
    return Counter(word for word, _ in {(fold(token), number) for number, _, name in parsed for token in name.tokens})


def _together(words: Sequence[str]) -> set[str]:
    pairs = {one + other for one, other in pairwise(words)}
    whole = {"".join(words)} if 2 < len(words) <= 4 else set()
    return {fold(joined) for joined in pairs | whole if len(joined) >= 5}


def _frames(word: str) -> tuple[str, ...]:
    bones = frame(word)
    return (bones,) if len(bones) >= 3 and not word.isdigit() else ()


def _deletions(folded: str) -> tuple[str, ...]:
    """Return the word and the word less any one letter: two words that share one are at most two slips apart."""
    if len(folded) < 4 or folded.isdigit():
        return (folded,)
    return (folded, *{folded[:i] + folded[i + 1 :] for i in range(len(folded))})


def _ends(folded: str) -> tuple[str, ...]:
    """Return how a long word begins and how it ends: of two spellings more than two slips apart, one is often the
    same."""
    if len(folded) < _LONG or folded.isdigit():
        return ()
    return (f"{folded[:_END]}-", f"-{folded[-_END:]}")


def _grouped(words: Iterable[str], keys: Callable[[str], Iterable[str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for word in words:
        for key in keys(word):
            groups[key].append(word)
    return {key: tuple(group) for key, group in groups.items()}
