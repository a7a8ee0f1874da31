"""Queues of rows: due ones are claimed in batches, moved one step, and written under their fence.

Whatever a step raises is isolated to the row that it is about: the batch is tried again row by row, the row that fails
is retried after a pause, and one that is out of attempts is given up as a dead letter. Its neighbours go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, transaction

from fiatrails.controls.modes import Flow, decide
from fiatrails.engine import dead_letters
from fiatrails.engine.claim import claim, still_mine
from fiatrails.engine.dead_letters import Work
from fiatrails.engine.models import WorkRow
from fiatrails.kernel.backoff import delay
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import FiatRailsError, OutsideUnknown, StaleFence, Unavailable
from fiatrails.kernel.metrics import retry_attempts

Row = TypeVar("Row", bound=WorkRow)
Tools = TypeVar("Tools")

Step = Callable[[Sequence[Row], Tools], None]

log = structlog.get_logger(__name__)
# What a mode or an unanswered outside holds back is looked at again this soon.
HELD_BACK = timedelta(seconds=1)
# So many rows in a row without an answer: the outside is away, and asking for the others only costs its timeouts.
UNANSWERED_TO_STOP = 2
# More than any pass takes.
UNLIMITED = 1_000_000
# The connection is gone; nothing can be written about any row, and the leases end by themselves.
_NO_DATABASE = (OperationalError, InterfaceError)


@dataclass(frozen=True, slots=True)
class Queue(Generic[Row, Tools]):
    """Describe what workers do with the due rows of one kind.

    `condition` is a trusted SQL fragment that starts with AND, over columns of `model`. `flow` is asked before
    anything is claimed, with the chain or the provider that `scope` returns; `room(tools)` is then asked how many
    rows can be taken at most, so that what has to wait is not written again and again. `step(rows, tools)` moves
    claimed rows; it raises for a row that it cannot move, and leaves the lease to whoever wrote the row. `work`
    says what is given up with a row that is out of attempts. `metric` is the label of
    `fiatrails_retry_attempts_total`. `one_by_one`: the step asks the outside for each row by itself. `lasting`: a
    row is never given up; its dead letter opens with the first failure, and the row is tried on.
    """

    name: str
    model: type[Row]
    condition: str
    step: Step[Row, Tools]
    work: Callable[[Row], Work]
    metric: str
    flow: Flow | None = None
    scope: Callable[[], str] = str
    room: Callable[[Tools], int] | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    limit: int = 100
    one_by_one: bool = False
    lasting: bool = False
    shortest_pause: timedelta = timedelta(0)


def run(queue: Queue[Row, Tools], tools: Tools, *, clock: Clock, limit: int | None = None) -> int:
    """Make one pass over the queue and return how many rows were claimed; 0 while a mode stops its flow, or there is no
    room.

    Safe in any number of processes. Database errors that end the connection are raised; every other error is kept with
    the row that it is about.
    """
    if queue.flow is not None and not decide(queue.flow, now=clock.now(), scopes=(queue.scope(),)).allowed:
        return 0
    most = limit or queue.limit
    if queue.room is not None:
        most = min(most, queue.room(tools))
    if most <= 0:
        return 0
    lease = timedelta(seconds=profile().timeouts.lease_s)
    rows = claim(
        queue.model,
        now=clock.now(),
        lease=lease,
        limit=most,
        where=queue.condition,
        params=dict(queue.params),
    )
    if rows:
        _move(queue, rows, tools, clock)
    return len(rows)


def _move(queue: Queue[Row, Tools], rows: Sequence[Row], tools: Tools, clock: Clock) -> None:
    if queue.one_by_one or len(rows) == 1:
        _move_each(queue, rows, tools, clock)
        return
    try:
        queue.step(rows, tools)
    except _NO_DATABASE:
        raise
    except Unavailable as error:
        retry(queue, rows, error, clock=clock)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is about one of these rows
        log.warning("queue.batch_failed", queue=queue.name, count=len(rows), error=_words(error))
        _move_each(queue, rows, tools, clock)


def _move_each(queue: Queue[Row, Tools], rows: Sequence[Row], tools: Tools, clock: Clock) -> None:
    unanswered = 0
    for position, row in enumerate(rows):
        error = _move_one(queue, row, tools, clock)
        unanswered = unanswered + 1 if isinstance(error, OutsideUnknown) else 0
        if error is not None and unanswered >= UNANSWERED_TO_STOP and not queue.one_by_one:
            retry(queue, rows[position + 1 :], error, clock=clock)
            return


def _move_one(queue: Queue[Row, Tools], row: Row, tools: Tools, clock: Clock) -> Exception | None:
    try:
        queue.step([row], tools)
    except _NO_DATABASE:
        raise
    except StaleFence as stale:
        log.warning("queue.taken_over", queue=queue.name, row=row.pk, error=str(stale))
    except Exception as error:
        if not isinstance(error, FiatRailsError):
            log.exception("queue.row_failed", queue=queue.name, row=row.pk)
        retry(queue, [row], error, clock=clock)
        return error
    return None


def retry(queue: Queue[Row, Tools], rows: Sequence[Row], error: Exception, *, clock: Clock, **columns: object) -> None:
    """Try the same step again after a pause, for those of `rows` that are still ours; out of attempts, give it up.

    `columns` are written as well. A mode that holds the flow back is nobody's failure and costs no attempt.
    """
    if not rows:
        return
    held_back = isinstance(error, Unavailable)
    retry_attempts.labels(operation=queue.metric).inc(len(rows))
    log.warning("queue.retry", queue=queue.name, count=len(rows), error=_words(error))
    now, settings = clock.now(), profile().retry
    with transaction.atomic():
        mine = still_mine(queue.model, rows)
        for row in mine:
            row.attempts += 0 if held_back else 1
            row.last_error, row.lease_until = _words(error), None
            row.due_at = now + (HELD_BACK if held_back else max(delay(row.attempts, settings), queue.shortest_pause))
            for name, value in columns.items():
                setattr(row, name, value)
            if queue.lasting and not held_back:
                _report(queue, row, dead_letters.PERMANENT, clock)
            elif not queue.lasting and row.attempts >= settings.max_attempts:
                row.due_at = None
                _report(queue, row, dead_letters.TEMPORARY, clock)
            row.fence += 1
        written = ("attempts", "last_error", "lease_until", "due_at", "fence", *columns)
        queue.model._default_manager.bulk_update(mine, written)


def _report(queue: Queue[Row, Tools], row: Row, error_class: str, clock: Clock) -> None:
    work = queue.work(row)
    dead_letters.add(
        operation=work.operation,
        subject=work.subject,
        attempts=row.attempts,
        last_error=row.last_error,
        error_class=error_class,
        payload=work.payload,
        now=clock.now(),
    )


def _words(error: Exception) -> str:
    """Return what happened, in the words of whoever refused it."""
    return str(error) if isinstance(error, FiatRailsError) else f"{type(error).__name__}: {error}"[:500]
