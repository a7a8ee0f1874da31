"""Fits what the matcher of names has learned: `python -m benchmarks.fit_names WHAT`.

`frequencies` prints frequencies.txt: how many bear a word, counted over the whole list, as every index counts its own.
`person` and `thing` print the weights of `scoring`, from the development half alone: a logistic regression of aliases,
each against the other names of its entity, and ordinary names against whatever is nearest on the list. Only the nearest
counts on either side, and which one that is depends on the weights, so it is done a few times over. Then the base is
moved to where `ALERTS` of the ordinary names are found.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.organisations import ordinary_organisations
from benchmarks.screen import DATA, listed, ordinary_names
from fiatrails.screening.entities import EntityType, NameKind
from fiatrails.screening.matching.evaluation import Split
from fiatrails.screening.matching.index import IndexedName, NameIndex
from fiatrails.screening.matching.phonetics import fold
from fiatrails.screening.matching.scoring import PERSON, THING, Weights, measure
from fiatrails.screening.matching.text import Name, parse

CENSUS = DATA.parent / "census" / "names.csv.gz"
# A list has few bearers of names that many people have. One in so many people counts for more than one on the list.
COMMONER = 3
ALERTS = 0.0045
ROUNDS = 5
RIDGE = 1.0
FEWEST_BEARERS = 12
# Candidates that the weights at hand would not look at may be the nearest under the weights to come.
BEYOND = 3.0
# Not fitted: they stay as `scoring` has them.
HELD = {
    EntityType.PERSON: ("short_word_spelled_otherwise", "word_replaced", "east_asian_script"),
    # Given the other features the first three say nothing, or the opposite of what they should.
    EntityType.ORGANIZATION: ("conflict", "asked_for_more", "listed_with_more", "east_asian_script"),
}

Matrix = NDArray[np.float64]
Asked = tuple[str, EntityType | None]


@dataclass(frozen=True, slots=True)
class Queries:
    """Measured candidates of all queries, one below the other; `owner` says whose each row is."""

    rows: Matrix
    owner: NDArray[np.int64]

    def nearest(self, weights: Matrix) -> NDArray[np.int64]:
        """Return the row with the highest score of each query."""
        order = np.lexsort((self.rows @ weights, self.owner))
        owners = self.owner[order]
        last: NDArray[np.int64] = order[np.append(owners[1:] != owners[:-1], True)]
        return last


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["frequencies", "person", "thing"])
    what = parser.parse_args().what
    index = listed().index
    if what == "frequencies":
        print("\n".join(frequencies(index)))
    elif what == "person":
        print(fit(index, EntityType.PERSON, [(name, EntityType.PERSON) for name in _ours(ordinary_names())]))
    else:
        companies = [(name, EntityType.ORGANIZATION) for name in _ours(ordinary_organisations())]
        # A payer of unknown kind is compared with organisations as well.
        print(fit(index, EntityType.ORGANIZATION, companies, [(name, None) for name in _ours(ordinary_names())]))


def _ours(names: Iterable[str]) -> Iterable[str]:
    return filter(Split.DEVELOPMENT.has, names)


def frequencies(index: NameIndex) -> Iterable[str]:
    """Return the lines of frequencies.txt, the most frequent words first."""
    borne = Counter({fold(word): index.bearers(word) for name in index.names for word in name.name.tokens})
    borne |= _among_people(len(index.entities))
    by_number: dict[int, list[str]] = defaultdict(list)
    for word, number in borne.items():
        by_number[number].append(word)
    yield f"# How many of {len(index.entities):,} listed entities bear a word (in the spelling of `phonetics.fold`): the number, then its words."
    yield "# Counted over the SDN list with its aliases, and over the census of the United States of 1990 where that gives more."
    yield f"# Words that fewer than {FEWEST_BEARERS} bear are left out."
    for number in sorted(by_number, reverse=True):
        if number >= FEWEST_BEARERS:
            yield f"{number} {' '.join(sorted(by_number[number]))}"


def _among_people(population: int) -> Counter[str]:
    """How many of so many people bear a name, as a payer counts: see `COMMONER`."""
    borne: Counter[str] = Counter()
    with gzip.open(CENSUS, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            bearers = COMMONER * population * float(row["per_cent"]) / 100
            borne[fold(row["name"])] = max(borne[fold(row["name"])], round(bearers))
    return borne


def fit(index: NameIndex, type: EntityType, ordinary: Sequence[Asked], others: Sequence[Asked] = ()) -> Weights:
    """Return the weights for names of this type; `others` have a say in the weights and not in the base."""
    aliases = _gather(_aliases(index, type), index)
    strangers = _gather(_strangers(index, type, [*ordinary, *others]), index)
    at_hand = PERSON if type is EntityType.PERSON else THING
    held = {name: getattr(at_hand, name) for name in HELD[type]}
    weights = np.array(at_hand)
    for _ in range(ROUNDS):
        near, far = aliases.rows[aliases.nearest(weights)], strangers.rows[strangers.nearest(weights)]
        weights = _regress(np.vstack([near, far]), np.repeat([1.0, 0.0], [len(near), len(far)]), held)
    nearest = strangers.nearest(weights)
    scores = strangers.rows[nearest] @ weights
    found = np.sort(scores[strangers.owner[nearest] < len(ordinary)])[::-1]
    weights[0] -= found[int(ALERTS * len(ordinary))]
    return Weights(*(round(float(weight), 2) for weight in weights))


def _aliases(index: NameIndex, type: EntityType) -> Iterable[tuple[Name, list[IndexedName]]]:
    """Each alias with the other names of its entity."""
    names: dict[int, list[IndexedName]] = defaultdict(list)
    for name in index.names:
        if name.type is type and Split.DEVELOPMENT.has(index.entities[name.entity].uid):
            names[name.entity].append(name)
    for own in names.values():
        for alias in own:
            if alias.kind not in (NameKind.PRIMARY, NameKind.WEAK):
                yield alias.name, [other for other in own if other is not alias]


def _strangers(
    index: NameIndex, type: EntityType, ordinary: Iterable[Asked]
) -> Iterable[tuple[Name, list[IndexedName]]]:
    """Each ordinary name with what the list has near it."""
    for text, kind in ordinary:
        name = parse(text, kind)
        near = [index.names[number] for number, _ in index.candidates(name, beyond=BEYOND)]
        yield name, [other for other in near if (other.type is EntityType.PERSON) == (type is EntityType.PERSON)]


def _gather(queries: Iterable[tuple[Name, list[IndexedName]]], index: NameIndex) -> Queries:
    """Names without a word in common teach nothing."""
    rows, owner = [], []
    for number, (name, others) in enumerate(queries):
        for other in others:
            alignment = index.align(name, other)
            if alignment.pairs:
                rows.append(measure(alignment, east_asian=name.east_asian))
                owner.append(number)
    return Queries(np.array(rows), np.array(owner))


def _regress(rows: Matrix, labels: Matrix, held: dict[str, float]) -> Matrix:
    """Logistic regression by Newton's method with a ridge, the weights in `held` as they are. Where a replaced word decides by
    itself, names that have one teach nothing about the rest."""
    chosen = np.array([held.get(name, 0.0) for name in Weights._fields])
    free = np.array([name not in held for name in Weights._fields])
    if "word_replaced" in held:
        kept = rows[:, Weights._fields.index("word_replaced")] == 0.0
        rows, labels = rows[kept], labels[kept]
    offset, free_rows = rows @ chosen, rows[:, free]
    scale = free_rows.std(axis=0) + (free_rows.std(axis=0) == 0)
    scaled = free_rows / scale
    ridge = RIDGE * np.eye(scaled.shape[1])
    ridge[0, 0] = 1e-6
    fitted = np.zeros(scaled.shape[1])
    for _ in range(50):
        likely = 1.0 / (1.0 + np.exp(-(scaled @ fitted + offset)))
        gradient = scaled.T @ (labels - likely) - ridge @ fitted
        fitted += np.linalg.solve((scaled.T * (likely * (1.0 - likely))) @ scaled + ridge, gradient)
    weights = chosen.copy()
    weights[free] = fitted / scale
    return weights


if __name__ == "__main__":
    main()
