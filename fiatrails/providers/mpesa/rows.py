"""Writing request rows: every write says `WHERE fence = mine`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from fiatrails.engine import dead_letters
from fiatrails.engine.wakeup import notify
from fiatrails.kernel import metrics
from fiatrails.kernel.backoff import delay
from fiatrails.kernel.conf import profile
from fiatrails.providers.core.models import EventState, InboxEvent, ProviderRequest, RequestKind, RequestState

OPEN_STATES = (RequestState.CREATED, RequestState.UNKNOWN, RequestState.ACCEPTED)


def update(row: ProviderRequest, **values: object) -> bool:
    """Writes columns if the row is still ours; False when a result or another worker was faster."""
    written = ProviderRequest.objects.filter(pk=row.pk, fence=row.fence).update(**values)
    for name, value in values.items():
        setattr(row, name, value)
    return bool(written)


def finish(row: ProviderRequest, state: RequestState, result: Mapping[str, object], *, now: datetime) -> bool:
    """Settles the request, and wakes the event that waits for it."""
    done = update(
        row, state=state, result=dict(result), due_at=None, lease_until=None, settled_at=now, noted_at=None,
        last_error="",
    )  # fmt: skip
    if done:
        wake_event(row, now=now)
        notify()
    return done


def wake_event(row: ProviderRequest, *, now: datetime) -> None:
    """The event whose receipt was asked about can go on. Only its due time: its own worker's fence stays valid."""
    if row.kind == RequestKind.STATUS_QUERY and row.event_id is not None:
        InboxEvent.objects.filter(pk=row.event_id, state=EventState.RECEIVED).update(due_at=now)


def wait(row: ProviderRequest, why: str, *, now: datetime, state: RequestState | None = None) -> None:
    """Nothing was learned: again after a pause. Out of attempts: a dead letter; the row keeps what is known."""
    metrics.retry_attempts.labels("provider_call").inc()
    attempts = row.attempts + 1
    exhausted = attempts >= profile().retry.max_attempts
    due = None if exhausted else now + max(delay(attempts, profile().retry), timedelta(milliseconds=200))
    new_state = state or RequestState(row.state)
    mine = update(
        row, state=new_state, attempts=attempts, due_at=due, lease_until=None, last_error=why, details=row.details
    )
    if exhausted and mine:
        dead_letters.add(
            operation=f"mpesa:{row.kind}", subject=row.intent_id or f"event:{row.event_id}", attempts=attempts,
            last_error=why, error_class="temporary", payload={"requestId": row.pk, "state": str(new_state)},
            now=now,
        )  # fmt: skip
