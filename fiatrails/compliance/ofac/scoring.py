"""How much an alignment speaks for one name being the other. A logistic sum, so that each feature's share can be shown.

The weights were fitted on the development half of the entities (aliases held out) against ordinary names, and are not
touched by anything that is reported; see docs/explanation/screening.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from operator import mul
from typing import NamedTuple

from fiatrails.compliance.ofac.alignment import Alignment
from fiatrails.compliance.ofac.entities import EntityType

# What decides changes with any change to parsing, weights or bands: stored with every decision.
ALGORITHM = "names-2"
# The score from which a person looks at it.
REVIEW = 0.5
IDENTICAL = 0.95
_NATS = 10.0
_MOST_NATS = 30.0
_ALL = 0.999


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
    word_replaced: float
    asked_for_more: float
    listed_with_more: float
    east_asian_script: float


# Two people with one name but for one word are seldom one: one listed alias in fifty, and every second pair of people
# that somebody took for one. Not fitted, for ordinary names of two words have no such pairs.
REPLACED = -8.0
# Romanised ideographs are a handful of short syllables, which many share: what else would wake someone for one in 25.
EAST_ASIAN = -4.0
PERSON = Weights(-11.53, 4.23, 3.59, 1.51, -13.73, 2.46, -2.69, 1.68, REPLACED, 1.35, 0.47, EAST_ASIAN)
THING = Weights(-16.64, 2.42, 5.59, 4.08, -1.00, 8.25, -2.08, -3.02, 0.0, 0.0, 0.0, EAST_ASIAN)


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
        """What was measured and what it added, for people; without what was not there."""
        return tuple(
            Feature(name.replace("_", " "), value, value * weight)
            for name, value, weight in zip(Weights._fields, self.measured, self.weights, strict=True)
            if value
        )


def score(alignment: Alignment, type: EntityType, *, east_asian: bool = False) -> Score:
    """The score of one name against one listed name; `east_asian`: the query came in an East Asian script."""
    weights = PERSON if type is EntityType.PERSON else THING
    measured = measure(alignment, east_asian=east_asian)
    logit = sum(map(mul, measured, weights))
    value = 1.0 / (1.0 + exp(-max(-50.0, min(50.0, logit))))
    return Score(max(value, IDENTICAL) if is_identical(alignment) else value, logit, measured, weights)


def best_case(matched: float, query_total: float, listed_total: float, type: EntityType) -> float:
    """The most log-odds that two names can reach of which this much may match: cheap, so that most
    candidates need no alignment. What is all there may be identical, which is enough by itself."""
    weights, most = (PERSON, _PERSON_MOST) if type is EntityType.PERSON else (THING, _THING_MOST)
    longer, shorter = (query_total, listed_total) if query_total > listed_total else (listed_total, query_total)
    coverage = matched / longer
    if coverage > _ALL:
        return _MOST_NATS
    rarity = (matched if matched < _MOST_NATS else _MOST_NATS) / _NATS
    return (
        most + weights.coverage * coverage**2 + rarity * (weights.rarity + weights.rare_and_covered * coverage)
        + weights.conflict * (1.0 - matched / shorter)
    )  # fmt: skip


def _most(weights: Weights) -> float:
    """What does not depend on how much matches, at its best."""
    left_over = max(weights.asked_for_more, weights.listed_with_more, 0.0)
    return weights.base + weights.weakest_pair + max(weights.several_words, 0.0) + left_over


_PERSON_MOST, _THING_MOST = _most(PERSON), _most(THING)


def is_identical(alignment: Alignment) -> bool:
    """Every word of each name is a word of the other."""
    alone = alignment.query_alone or alignment.listed_alone
    return not alone and bool(alignment.pairs) and all(pair.query == pair.listed for pair in alignment.pairs)


def measure(alignment: Alignment, *, east_asian: bool = False) -> tuple[float, ...]:
    """The features in the order of `Weights`. Words without a partner on one side make a shorter form of the name; on
    both, one word stands where another did."""
    matched = alignment.matched
    longer = max(alignment.query_total, alignment.listed_total)
    shorter = min(alignment.query_total, alignment.listed_total)
    coverage = matched / longer if longer else 0.0
    rarity = min(matched, _MOST_NATS) / _NATS
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
        float(asked and listed),
        float(asked and not listed),
        float(listed and not asked),
        float(east_asian),
    )
