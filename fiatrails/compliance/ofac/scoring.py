"""How much an alignment speaks for one name being the other. A logistic sum, so that each feature's share can be shown.

The weights were fitted on the development half of the entities (aliases held out) against ordinary names, and are not
touched by anything that is reported; see docs/explanation/screening.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from fiatrails.compliance.ofac.alignment import Alignment
from fiatrails.compliance.ofac.entities import EntityType

# What decides changes with any change to parsing, weights or bands: stored with every decision.
ALGORITHM = "names-1"
# The score from which a person looks at it.
REVIEW = 0.5
IDENTICAL = 0.95
_NATS = 10.0
_MOST_NATS = 30.0
_ALL = 0.999


@dataclass(frozen=True, slots=True)
class Weights:
    """What each feature adds per unit, in log-odds; `base` before any."""

    base: float
    coverage: float
    rarity: float
    rare_and_covered: float
    conflict: float
    weakest: float
    order: float
    several: float
    unlike: float = 0.0


PERSON = Weights(-13.59, 1.62, 1.75, 3.96, -1.22, 5.88, -2.46, 0.97)
# Romanised ideographs are a handful of short syllables, which many share: what else would wake someone for one in 25.
EAST_ASIAN = -2.70
THING = Weights(-11.50, 3.40, 3.24, 4.13, -1.84, 4.31, -1.08, 0.16, unlike=-2.64)


@dataclass(frozen=True, slots=True)
class Feature:
    """`value` as measured, `added` in log-odds."""

    name: str
    value: float
    added: float


@dataclass(frozen=True, slots=True)
class Score:
    """`value` 0 to 1 for bands and people; `logit` for ranking, which never saturates."""

    value: float
    logit: float
    features: tuple[Feature, ...]


def score(alignment: Alignment, type: EntityType, *, east_asian: bool = False) -> Score:
    """The score of one name against one listed name; `east_asian`: the query came in an East Asian script."""
    features = tuple(_features(alignment, PERSON if type is EntityType.PERSON else THING))
    if east_asian:
        features += (Feature("east asian script", 1.0, EAST_ASIAN),)
    logit = sum(feature.added for feature in features)
    value = 1.0 / (1.0 + exp(-max(-50.0, min(50.0, logit))))
    return Score(max(value, IDENTICAL) if is_identical(alignment) else value, logit, features)


def best_case(matched: float, query_total: float, listed_total: float, type: EntityType) -> float:
    """The most log-odds that two names can reach of which this much may match: cheap, so that most
    candidates need no alignment. What is all there may be identical, which is enough by itself."""
    weights = PERSON if type is EntityType.PERSON else THING
    longer, shorter = max(query_total, listed_total), min(query_total, listed_total)
    coverage, rarity = matched / longer, min(matched, _MOST_NATS) / _NATS
    if coverage > _ALL:
        return _MOST_NATS
    return (
        weights.base + weights.coverage * coverage**2 + weights.rarity * rarity + weights.weakest
        + weights.rare_and_covered * rarity * coverage + weights.conflict * (shorter - matched) / shorter
        + max(weights.several, 0.0)
    )  # fmt: skip


def is_identical(alignment: Alignment) -> bool:
    """Every word of each name is a word of the other."""
    alone = alignment.query_alone or alignment.listed_alone
    return not alone and bool(alignment.pairs) and all(pair.query == pair.listed for pair in alignment.pairs)


def _features(alignment: Alignment, weights: Weights) -> list[Feature]:
    matched = alignment.matched
    longer = max(alignment.query_total, alignment.listed_total)
    shorter = min(alignment.query_total, alignment.listed_total)
    coverage = matched / longer if longer else 0.0
    rarity = min(matched, _MOST_NATS) / _NATS
    conflict = (shorter - matched) / shorter if shorter else 1.0
    weakest = min((pair.likeness for pair in alignment.pairs), default=0.0)
    unlike = sum(pair.weight for pair in alignment.pairs if pair.likeness < 1.0) / _NATS
    return [
        Feature("base", 1.0, weights.base),
        Feature("coverage", coverage**2, weights.coverage * coverage**2),
        Feature("rarity", rarity, weights.rarity * rarity),
        Feature("rare and covered", rarity * coverage, weights.rare_and_covered * rarity * coverage),
        Feature("conflict", conflict, weights.conflict * conflict),
        Feature("weakest pair", weakest, weights.weakest * weakest),
        Feature("other order", float(alignment.swapped), weights.order * alignment.swapped),
        Feature("several words", float(len(alignment.pairs) >= 2), weights.several * (len(alignment.pairs) >= 2)),
        *([Feature("spelled otherwise", unlike, weights.unlike * unlike)] if weights.unlike else []),
    ]
