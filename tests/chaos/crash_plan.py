"""What is struck, and in which order. Pure: the same boundaries and the same seed give the same plan."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.boundaries import How

KILLS = (How.KILL_BEFORE, How.KILL_AFTER)


@dataclass(frozen=True, slots=True)
class Strike:
    """One boundary by its number, what stands there ("" when that is not known), and what is done to it."""

    number: int
    how: How
    label: str = ""

    def __str__(self) -> str:
        return f"boundary {self.number} ({self.label}), {self.how}"


def codes(strikes: Sequence[Strike]) -> str:
    """As `--repeat` takes them: `17:KILL_BEFORE,4:KILL_AFTER`."""
    return ",".join(f"{strike.number}:{strike.how.name}" for strike in strikes)


def strikes_of(text: str) -> list[Strike]:
    """The same, read."""
    parts = (part.split(":") for part in text.split(","))
    return [Strike(int(number), How[how]) for number, how in parts]


Pair = tuple[Strike, Strike]
# Labels that the undisturbed recovery crossed, by number and manner of the kill before it.
Recoveries = Mapping[tuple[int, How], Sequence[str]]


def hows(label: str) -> tuple[How, ...]:
    """A kill before and after, everywhere. A lost reply where an effect can stand without its answer: an exchange, a
    COMMIT, a write that commits by itself. An error for the first two, a second delivery for exchanges."""
    if label.startswith("http"):
        return tuple(How)
    if label.startswith("sql COMMIT"):
        return (*KILLS, How.LOSE_REPLY, How.ERROR)
    return (*KILLS, How.LOSE_REPLY) if "(commits)" in label else KILLS


def singles(labels: Sequence[str], numbers: Sequence[int]) -> Iterator[Strike]:
    """Everything that is done to the boundaries of `numbers`, one at a time."""
    for number in numbers:
        yield from (Strike(number, how, labels[number]) for how in hows(labels[number]))


def sampled_pairs(labels: Sequence[str], recoveries: Recoveries, *, count: int, seed: int) -> list[Pair]:
    """`count` pairs. First boundaries are dealt in rounds, so that each has its turn before any has another; the second
    is drawn evenly from what the recovery crossed. Whether a kill falls before or after is drawn too."""
    rng = random.Random(seed)
    numbers = sorted({number for number, _ in recoveries})
    rounds = -(-count // max(1, len(numbers)))
    dealt = [number for _ in range(rounds) for number in rng.sample(numbers, len(numbers))]
    return [_pair(rng, Strike(number, rng.choice(KILLS), labels[number]), recoveries) for number in dealt[:count]]


def _pair(rng: random.Random, first: Strike, recoveries: Recoveries) -> Pair:
    crossed = recoveries[first.number, first.how]
    number = rng.randrange(len(crossed))
    return first, Strike(number, rng.choice(KILLS), crossed[number])


def all_pairs(labels: Sequence[str], recoveries: Recoveries) -> Iterator[Pair]:
    """Every first kill with a kill before each boundary of its recovery, and after the last. (After one is before the
    next: nothing happens between them.)"""
    for (number, how), crossed in recoveries.items():
        first = Strike(number, how, labels[number])
        for second, label in enumerate(crossed):
            yield first, Strike(second, How.KILL_BEFORE, label)
        yield first, Strike(len(crossed) - 1, How.KILL_AFTER, crossed[-1])


def chosen(labels: Sequence[str], *, only: str, shard: tuple[int, int]) -> list[int]:
    """Numbers of the boundaries whose label contains `only` and which belong to shard `(i, n)`, i from 0."""
    index, count = shard
    return [number for number, label in enumerate(labels) if only in label and number % count == index]
