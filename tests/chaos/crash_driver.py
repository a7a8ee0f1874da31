"""Walks the core path once per boundary and kills it there: `python -m tests.chaos.crash_driver --user ADDRESS ...`.

Every walk, recovery and check is a process of its own (fork), so that a SIGKILL takes exactly one, as in life. The
parent walks first, which makes the others quick, and closes its connections. The chain mines and the clock moves only
when the walk says so, which makes the walk repeatable and the numbering of its boundaries stable.

Pairs: the process that recovers is struck as well, at a boundary of its own numbering, and a third one finishes. The
parent learns that numbering from the recovery after the first kill alone. `--pairs each` strikes one pair per boundary,
`--pairs N` N of them, `--pairs all` every one (hours; `--shard i/n` takes the i-th of n parts, counted from 0).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import django
import psycopg

# Metrics in files would be written anew by every child; nobody reads them here.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
django.setup()

from fiatrails.chains.evm.pool import default_pool  # noqa: E402 - Django must be set up first
from fiatrails.kernel.clock import SystemClock  # noqa: E402
from fiatrails.operations.invariants import check_chain, check_supply  # noqa: E402
from tests.chaos.boundaries import Boundaries, How, end_sessions, install, observer  # noqa: E402
from tests.chaos.crash_caller import Caller, WalkClock  # noqa: E402
from tests.chaos.crash_plan import (  # noqa: E402
    Pair,
    Strike,
    all_pairs,
    chosen,
    codes,
    sampled_pairs,
    singles,
    strikes_of,
)
from tests.chaos.crash_slate import Slate  # noqa: E402
from tests.chaos.crash_walk import check, prepare, require_books, walk, warm_up  # noqa: E402

# Beyond every lease, so that a recovery finds the work of the dead free to take.
LAPSE_S = 120
TRIES = 5
WARM_UPS = 2
# The books of all walks are read after every tenth: reading them costs half a walk by the end.
BOOKS_EVERY = 10
CHILD_LIMIT_S = 120


def in_child(work: Callable[[], None]) -> int:
    """Runs `work` in a fork; returns its wait status."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        signal.alarm(CHILD_LIMIT_S)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    return os.waitpid(pid, 0)[1]


@dataclass(slots=True)
class Driver:
    """Lets walks of `user` die and recover, one after the other; counts kills and walks."""

    user: str
    clock: WalkClock = field(default_factory=WalkClock)
    slate: Slate = field(default_factory=Slate)
    side: psycopg.Connection[Any] = field(default_factory=observer)
    kills: int = 0
    walks: int = 0

    def warm_up(self) -> None:
        """Two walks in this process: the first makes the lanes, the second is like all that follow."""
        prepare(self.clock)
        for number in range(WARM_UPS):
            self.slate.wipe()
            warm_up(self._caller(f"CRASH-WARM-{number}", Boundaries()))
            self._ended()

    def survive(self, strikes: Sequence[Strike]) -> list[str]:
        """A walk, struck by each in turn in a process of its own, and the process that finishes it and is checked;
        returns the labels that this last one crossed.

        After a kill before a boundary the callers repeat what was not answered, otherwise everything: a kill after one
        boundary would be the kill before the next, but for that.
        """
        self.slate.wipe()
        tx_ref = f"CRASH-{self.walks}-{codes(strikes)}"
        eager = bool(strikes) and strikes[0].how is not How.KILL_BEFORE
        for strike in strikes:
            self._strike(tx_ref, strike, eager)
        caller = self._caller(tx_ref, Boundaries(), eager)
        assert in_child(lambda: self._finish(caller)) == 0, "no recovery" if strikes else "the undisturbed walk failed"
        self._ended()
        labels: list[str] = self.slate.read("labels")
        return labels

    def _caller(self, tx_ref: str, boundaries: Boundaries, eager: bool = False, tries: int = 1) -> Caller:
        return Caller(self.user, tx_ref, self.clock, self.slate, boundaries, eager, tries)

    def _strike(self, tx_ref: str, strike: Strike, eager: bool) -> None:
        boundaries = Boundaries(strike.number, strike.how, lambda label: self.slate.write("struck", label))
        caller = self._caller(tx_ref, boundaries, eager, TRIES if strike.how.disturbs else 1)
        self.slate.write("struck", None)
        status = in_child(lambda: self._walk(caller))
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed or status == 0, f"at {strike} the walk failed in another way"
        self._require_struck(strike, killed)
        self.kills += killed
        self._lapse()

    def _require_struck(self, strike: Strike, killed: bool) -> None:
        """It met its boundary, the one that was counted, and died of it or not."""
        met = self.slate.read("struck")
        assert met is not None, f"{strike} was never crossed"
        assert strike.label in ("", met), f"the numbering moved: {strike} met {met}"
        assert killed == strike.how.kills, f"{strike} ended in {'a kill' if killed else 'no kill'}"

    def _walk(self, caller: Caller) -> None:
        install(caller.boundaries)
        walk(caller)

    def _finish(self, caller: Caller) -> None:
        self._walk(caller)
        self.slate.write("labels", list(caller.boundaries.labels))
        check(caller)
        if self.walks % BOOKS_EVERY == 0:
            require_books()

    def _ended(self) -> None:
        self.walks += 1
        self._lapse()

    def _lapse(self) -> None:
        """Time passes until every lease has lapsed and the server has noticed who died."""
        self.clock.move(LAPSE_S)
        end_sessions(self.side, "true")


@dataclass(slots=True)
class Run:
    """Everything that one call of the driver strikes; `numbers` are the boundaries that are first struck."""

    driver: Driver
    labels: list[str]
    numbers: list[int]
    recoveries: dict[tuple[int, How], list[str]] = field(default_factory=dict)
    strikes: int = 0
    pairs: int = 0

    def strike_each(self) -> None:
        """Singles; remembers what the recoveries after kills crossed."""
        for strike in singles(self.labels, self.numbers):
            crossed = self.survive([strike])
            self.strikes += 1
            if strike.how.kills:
                self.recoveries[strike.number, strike.how] = crossed

    def strike_pairs(self, pairs: Iterable[Pair]) -> None:
        """A kill, and a kill of its recovery."""
        for pair in pairs:
            self.survive(pair)
            self.pairs += 1

    def survive(self, strikes: Sequence[Strike]) -> list[str]:
        """As the driver's; a failure names the strikes and ends the run."""
        try:
            return self.driver.survive(strikes)
        except AssertionError as error:
            where = ", then at ".join(map(str, strikes))
            print(f"FAILED at {where}: {error}; again with --repeat {codes(strikes)}", flush=True)
            raise SystemExit(1) from None

    def report(self) -> dict[str, object]:
        """Figures, and the labels from which the reader can tell what was planned."""
        crossed = [len(labels) for labels in self.recoveries.values()] or [0]
        return {
            "boundaries": len(self.labels),
            "strikes": self.strikes,
            "pairs": self.pairs,
            "possible_pairs": sum(crossed) + len(crossed),
            "recoveries_cross": [min(crossed), max(crossed)],
            "kills": self.driver.kills,
            "walks": self.driver.walks,
            "labels": self.labels,
        }


def arguments_of(line: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", required=True)
    parser.add_argument("--only", default="", help="strike only boundaries whose label contains this")
    parser.add_argument("--pairs", default="0", help="how many pairs: a number, `each` or `all`")
    parser.add_argument("--seed", type=int, default=1, help="chooses the pairs")
    parser.add_argument("--shard", type=shard_of, default=(0, 1), help="i/n: the i-th of n parts, from 0")
    parser.add_argument("--repeat", type=strikes_of, help="only these strikes, as a failure names them")
    return parser.parse_args(line)


def shard_of(text: str) -> tuple[int, int]:
    """`i/n`."""
    index, count = map(int, text.split("/"))
    if not 0 <= index < count:
        raise ValueError(text)
    return index, count


def run(arguments: argparse.Namespace) -> Run:
    """Counts, then strikes what the arguments ask for."""
    driver = Driver(arguments.user)
    driver.warm_up()
    labels = driver.survive([])
    made = Run(driver, labels, chosen(labels, only=arguments.only, shard=arguments.shard))
    if arguments.repeat:
        made.survive(arguments.repeat)
        return made
    made.strike_each()
    made.strike_pairs(pairs_of(arguments, made))
    return made


def pairs_of(arguments: argparse.Namespace, made: Run) -> Iterable[Pair]:
    """The pairs to strike, once the recoveries are known."""
    if arguments.pairs == "all":
        return all_pairs(made.labels, made.recoveries)
    count = len(made.numbers) if arguments.pairs == "each" else int(arguments.pairs)
    return sampled_pairs(made.labels, made.recoveries, count=count, seed=arguments.seed)


def main() -> int:
    """Strikes, compares the chain with the rows, reports."""
    arguments = arguments_of()
    started = time.monotonic()
    made = run(arguments)
    assert in_child(_final_check) == 0, "the books or the chain do not agree with the walks"
    print(json.dumps({"seed": arguments.seed, **made.report(), "seconds": round(time.monotonic() - started, 1)}))
    return 0


def _final_check() -> None:
    require_books()
    findings = [*check_chain(pool=default_pool()), *check_supply(pool=default_pool(), clock=SystemClock())]
    assert not findings, findings


if __name__ == "__main__":
    sys.exit(main())
