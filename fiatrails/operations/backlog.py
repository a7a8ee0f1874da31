"""What waited while the chain or the database was away: woken at once, and followed until it is settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fiatrails.controls.modes import Flow, decide
from fiatrails.engine import heartbeat
from fiatrails.operations.replay import is_replayable, open_items, replay_many
from fiatrails.purchases import replay
from fiatrails.purchases.replay import Backlog, backlog
from fiatrails.purchases.states import State

__all__ = ["Backlog", "WakeResult", "backlog", "unsettled", "wake"]

# Held intents wait for a decision, not for a worker.
_MOVING = (State.PAID, State.CLEARED, State.SUBMITTING, State.MINED, State.REFUNDING)
# A worker beats every five seconds; one that missed several is not there.
_WORKER_SILENT_AFTER = timedelta(seconds=30)


# Who closes the dead letters of intents that are set going again.
ACTOR = "backlog"


@dataclass(frozen=True, slots=True)
class WakeResult:
    """What waited before, how many rows were made due (`count`) or were due already, the intents that stay given up
    because no dead letter of theirs can be replayed, and whether a worker is there to take the others."""

    before: list[Backlog]
    count: int
    due_already: int
    given_up: list[str]
    worker_seen_at: datetime | None
    has_worker: bool


def wake(*, now: datetime) -> WakeResult:
    """Make everything that waits due now; the workers do the work."""
    before, due_already = backlog(), replay.due(now=now)
    count = replay.wake_backlog(now=now) + _replay_given_up(now)
    seen = heartbeat.latest()
    has_worker = seen is not None and now - seen <= _WORKER_SILENT_AFTER
    return WakeResult(before, count, due_already, replay.given_up(), seen, has_worker)


def _replay_given_up(now: datetime) -> int:
    """Set going again what is out of attempts, by its dead letter; return how many. Nothing while a mode forbids it."""
    stopped = set(replay.given_up())
    letters = [item for item in open_items() if item.subject in stopped and is_replayable(item.operation)]
    if not letters or not decide(Flow.REPLAY, now=now).allowed:
        return 0
    return sum(result.restarted for result in replay_many(letters, actor=ACTOR, now=now))


def unsettled() -> int:
    """Return how many intents a worker still has to move."""
    return replay.unsettled(_MOVING)
