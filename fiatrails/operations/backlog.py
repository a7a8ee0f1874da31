"""What waited while the chain or the database was away: woken at once, and followed until it is settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fiatrails.engine import heartbeat
from fiatrails.purchases import replay
from fiatrails.purchases.replay import Backlog, backlog
from fiatrails.purchases.states import State

__all__ = ["Backlog", "WakeResult", "backlog", "unsettled", "wake"]

# Held intents wait for a decision, not for a worker.
_MOVING = (State.PAID, State.CLEARED, State.SUBMITTING, State.MINED, State.REFUNDING)
# A worker beats every five seconds; one that missed several is not there.
_WORKER_SILENT_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class WakeResult:
    """What waited before, how many rows were made due, and whether a worker is there to take them."""

    before: list[Backlog]
    count: int
    worker_seen_at: datetime | None
    has_worker: bool


def wake(*, now: datetime) -> WakeResult:
    """Make everything that waits due now; the workers do the work."""
    before = backlog()
    count = replay.wake_backlog(now=now)
    seen = heartbeat.latest()
    return WakeResult(before, count, seen, has_worker=seen is not None and now - seen <= _WORKER_SILENT_AFTER)


def unsettled() -> int:
    """Return how many intents a worker still has to move."""
    return replay.unsettled(_MOVING)
