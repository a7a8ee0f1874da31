"""How much an alignment speaks for one name being the other. A logistic sum, so that each feature's share can be shown.

The weights were fitted on the development half of the entities (aliases held out) against ordinary names, and are not
touched by anything that is reported; see docs/explanation/screening.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from operator import mul
from typing import NamedTuple

from fiatrails.screening.entities import EntityType
from fiatrails.screening.matching.alignment import Alignment, Pair

# What decides changes with any change to parsing, weights or bands: stored with every decision.
ALGORITHM = "names-2"
# The score from which a person looks at it.
REVIEW = 0.5
IDENTICAL = 0.95
_NATS = 10.0
_MOST_NATS = 30.0
_ALL = 0.999
# In words of fewer letters, one letter makes another word: chosen on the development half.
_LONG = 7


class Weights(NamedTuple):
    """What each feature adds per unit, in log-odds; `base` before any."""

    base: float
    coverage: float
    rarity: float
    rare_and_covered: float
    conflict: float
    weakest_pair: float
    other_order: float
    several_words: float
    short_word_spelled_otherwise: float
    word_replaced: float
    asked_for_more: float
    listed_with_more: float
    east_asian_script: float


# Two people with one name but for one word are seldom one: one listed alias in fifty, and every second pair of people
# that somebody took for one. Not fitted, for ordinary names of two words have no such pairs.
REPLACED = -8.0
# Romanised ideographs are a handful of short syllables, which many share: what else would wake someone for one in 25.
EAST_ASIAN = -4.0
PERSON = Weights(-11.35, 4.25, 3.5, 1.57, -14.2, 2.34, -2.69, 1.7, 0.0, REPLACED, 1.37, 0.49, EAST_ASIAN)
THING = Weights(-18.01, 4.74, 3.16, 2.28, 0.0, 11.05, -1.07, 0.95, -2.07, -0.63, 0.0, 0.0, -2.70)


@dataclass(frozen=True, slots=True)
class Feature:
    """`value` as measured, `added` in log-odds."""

    name: str
    value: float
    added: float


@dataclass(frozen=True, slots=True)
class Score:
    """`value` 0 to 1 for bands and people; `logit` for ranking, which never saturates; `measured` by `weights`."""

    value: float
    logit: float
    measured: tuple[float, ...]
    weights: Weights

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return what was measured and what it added, for people; without what was not there."""
        return tuple(
            Feature(name.replace("_", " "), value, value * weight)
            for name, value, weight in zip(Weights._fields, self.measured, self.weights, strict=True)
            if value
        )


def score(alignment: Alignment, type: EntityType, *, east_asian: bool = False) -> Score:
    """Return the score of one name against one listed name; `east_asian`: the query came in an East Asian script."""
    weights = PERSON if type is EntityType.PERSON else THING
    measured = measure(alignment, east_asian=east_asian)
    logit = sum(map(mul, measured, weights))
    value = 1.0 / (1.0 + exp(-max(-50.0, min(50.0, logit))))
    return Score(max(value, IDENTICAL) if is_identical(alignment) else value, logit, measured, weights)


def best_case(matched: float, query_total: float, listed_total: float, type: EntityType) -> float:
    """Return the most log-odds that two names can reach of which this much may match: cheap, so that most candidates
    need no alignment. What is all there may be identical, which is enough by itself."""
    weights, most = (PERSON, _PERSON_MOST) if type is EntityType.PERSON else (THING, _THING_MOST)
    longer, shorter = (query_total, listed_total) if query_total > listed_total else (listed_total, query_total)
    coverage = matched / longer
    if coverage > _ALL:
        return _MOST_NATS
    rarity = (matched if matched < _MOST_NATS else _MOST_NATS) / _NATS
    return (
        most
        + weights.coverage * coverage**2
        + rarity * (weights.rarity + weights.rare_and_covered * coverage)
        + weights.conflict * (1.0 - matched / shorter)
    )


def _most(weights: Weights) -> float:
    """Return what does not depend on how much matches, at its best."""
    left_over = max(weights.asked_for_more, weights.listed_with_more, 0.0)
    flags = max(weights.several_words, 0.0) + left_over
    return (
        weights.base
        + weights.weakest_pair
        + flags
        + max(weights.short_word_spelled_otherwise, 0.0) * _MOST_NATS / _NATS
    )


_PERSON_MOST, _THING_MOST = _most(PERSON), _most(THING)


def is_identical(alignment: Alignment) -> bool:
    """Return whether every word of each name is a word of the other."""
    alone = alignment.query_alone or alignment.listed_alone
    return not alone and bool(alignment.pairs) and all(pair.query == pair.listed for pair in alignment.pairs)


def measure(alignment: Alignment, *, east_asian: bool = False) -> tuple[float, ...]:
    """Return the features in the order of `Weights`. Words without a partner on one side make a shorter form of the
    name; on both, one word stands where another did."""
    matched = alignment.matched
    longer = max(alignment.query_total, alignment.listed_total)
    shorter = min(alignment.query_total, alignment.listed_total)
    coverage = matched / longer if longer else 0.0
    rarity = min(matched, _MOST_NATS) / _NATS
    unlike = sum(pair.weight for pair in alignment.pairs if pair.likeness < 1.0 and _is_short(pair)) / _NATS
    asked, listed = bool(alignment.query_alone), bool(alignment.listed_alone)
    return (
        1.0,
        coverage**2,
        rarity,
        rarity * coverage,
        (shorter - matched) / shorter if shorter else 1.0,
        min((pair.likeness for pair in alignment.pairs), default=0.0),
        float(alignment.swapped),
        float(len(alignment.pairs) >= 2),
        unlike,
        float(asked and listed),
        float(asked and not listed),
        float(listed and not asked),
        float(east_asian),
    )


def _is_short(pair: Pair) -> bool:
    return len(pair.query) < _LONG or len(pair.listed) < _LONG
