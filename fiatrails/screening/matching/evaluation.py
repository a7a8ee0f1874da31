"""How well the matcher decides: labelled pairs, held-out aliases, ordinary names. Every share with its Wilson interval.

The matcher's weights were fitted on the entities and names of `Split.DEVELOPMENT`; what is reported is the other half.
"""

from __future__ import annotations

import csv
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from math import sqrt

from fiatrails.kernel.errors import BadInput
from fiatrails.screening.entities import EntityType, NameKind
from fiatrails.screening.matching.scoring import REVIEW
from fiatrails.screening.matching.screening import Band, Party, ScreeningList, compare, match_names, screen

COLUMNS = ("query", "candidate", "schema", "label")
_SCHEMAS = {
    "person": EntityType.PERSON,
    "individual": EntityType.PERSON,
    "company": EntityType.ORGANIZATION,
    "organization": EntityType.ORGANIZATION,
    "organisation": EntityType.ORGANIZATION,
    "vessel": EntityType.VESSEL,
    "aircraft": EntityType.AIRCRAFT,
    "airplane": EntityType.AIRCRAFT,
    "legalentity": None,
    "": None,
}
_LABELS = {"1": True, "true": True, "yes": True, "match": True, "0": False, "false": False, "no": False, "": None}
_95_PER_CENT = 1.959964


class Split(StrEnum):
    """Halves by a hash of the entity's uid or of the name, so that they stay the same whatever is added."""

    DEVELOPMENT = "development"
    REPORT = "report"
    ALL = "all"

    def has(self, key: str) -> bool:
        """Return whether the row of this key belongs to the split."""
        odd = sha256(key.encode()).digest()[-1] % 2 == 1
        return self is Split.ALL or odd == (self is Split.REPORT)


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `total`, with the 95 % Wilson interval."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """Return 0 to 1; 0 of nothing is 0."""
        return self.hits / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Return the low and the high end."""
        if not self.total:
            return 0.0, 1.0
        n, z2 = self.total, _95_PER_CENT**2
        centre = (self.value + z2 / (2 * n)) / (1 + z2 / n)
        half = _95_PER_CENT / (1 + z2 / n) * sqrt(self.value * (1 - self.value) / n + z2 / (4 * n * n))
        return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(slots=True)
class Confusion:
    """Counts of decisions against labels."""

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    true_negative: int = 0

    def count(self, *, decided: bool, label: bool) -> None:
        """Count one more row."""
        name = f"{'true' if decided == label else 'false'}_{'positive' if decided else 'negative'}"
        setattr(self, name, getattr(self, name) + 1)

    @property
    def precision(self) -> Share:
        """Return the share of matches in what was called a match."""
        return Share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> Share:
        """Return the share of matches that were found."""
        return Share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def f1(self) -> float:
        """Return the harmonic mean of both."""
        doubled = 2 * self.true_positive
        rest = self.false_positive + self.false_negative
        return doubled / (doubled + rest) if doubled + rest else 0.0


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """One row of a file of pairs."""

    query: str
    candidate: str
    type: EntityType | None
    label: bool


@dataclass(slots=True)
class Recall:
    """Found and missed by slice; "all" is everything."""

    slices: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    missed: list[str] = field(default_factory=list)

    def count(self, *, found: bool, slices: Iterable[str], name: str) -> None:
        """Count one more name, in each of its slices."""
        for key in ("all", *slices):
            self.slices[key][0] += found
            self.slices[key][1] += 1
        if not found:
            self.missed.append(name)

    def share(self, key: str = "all") -> Share:
        """Return the share found of one slice."""
        return Share(*self.slices[key])


def read_pairs(lines: Iterable[str]) -> Iterator[LabelledPair]:
    """Yield rows of a CSV file with the columns query, candidate, schema, label. BadInput names the line."""
    reader = csv.DictReader(lines)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise BadInput("pairs_columns", f"the file lacks the column {missing[0]!r}; it needs {', '.join(COLUMNS)}")
    for row in reader:
        label = _LABELS.get((row["label"] or "").strip().lower())
        schema = (row["schema"] or "").strip().lower()
        if label is None or schema not in _SCHEMAS:
            raise BadInput("pairs_row", f"line {reader.line_num}: label is 0 or 1, schema one of {', '.join(_SCHEMAS)}")
        yield LabelledPair(row["query"] or "", row["candidate"] or "", _SCHEMAS[schema], label)


def evaluate_pairs(
    pairs: Iterable[LabelledPair], *, against: ScreeningList | None, threshold: float = REVIEW
) -> dict[str, Confusion]:
    """Return the decisions over the pairs, by script of the query; "all" is everything."""
    counts: dict[str, Confusion] = defaultdict(Confusion)
    for pair in pairs:
        decided = compare(pair.query, pair.candidate, pair.type, against).value >= threshold
        for key in ("all", script_of(pair.query)):
            counts[key].count(decided=decided, label=pair.label)
    return dict(counts)


def hold_out_aliases(
    against: ScreeningList, *, split: Split = Split.REPORT, progress: Callable[[int], None] = lambda _: None
) -> Recall:
    """Query each strong alias as if the list did not carry it: is its entity found? By type, and weak ones apart."""
    result = Recall()
    index = against.index
    for number, listed in enumerate(index.names):
        entity = index.entities[listed.entity]
        if listed.kind is NameKind.PRIMARY or not split.has(entity.uid):
            continue
        found = listed.entity in match_names(listed.name, entity.type, against, without=number)
        if listed.kind is NameKind.WEAK:
            result.slices["weak"][0] += found
            result.slices["weak"][1] += 1
        else:
            result.count(found=found, slices=(entity.type.value,), name=listed.name.text)
        progress(number)
    return result


def alert_rate(
    names: Sequence[str], *, against: ScreeningList, type: EntityType | None, split: Split = Split.REPORT
) -> tuple[Recall, list[str]]:
    """Return how many ordinary names would wake someone, by script; and which."""
    result, alerts = Recall(), []
    for name in names:
        if split.has(name):
            alerted = screen(Party(name, type), against).band is not Band.CLEAR
            result.count(found=alerted, slices=(script_of(name),), name=name)
            alerts += [name] if alerted else []
    return result, alerts


def script_of(text: str) -> str:
    """Return the script of the first letter beyond ASCII, "latin" when there is none: cyrillic, arabic, cjk, hangul,
    ..."""
    for character in text:
        if not character.isascii() and character.isalpha():
            return unicodedata.name(character, "unknown").split(" ", 1)[0].split("-", 1)[0].lower()
    return "latin"
