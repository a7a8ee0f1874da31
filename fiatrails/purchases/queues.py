"""The queues that move purchases forward: each holds the purchases of one state, and a pass does one step with some.

No transaction is open while the chain or a provider is asked. What was learned is written afterwards, for those
rows whose fence is still ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import transaction

from fiatrails.chains.registry import default_chain
from fiatrails.controls.modes import Flow
from fiatrails.engine import queue
from fiatrails.engine.claim import still_mine
from fiatrails.engine.dead_letters import Work
from fiatrails.engine.queue import Queue
from fiatrails.kernel.errors import Misconfigured
from fiatrails.kernel.metrics import mint_intents
from fiatrails.purchases import clearance, daily_limit, letters, submission, waiting
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.outcomes import OUTCOMES
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.states import State
from fiatrails.purchases.store import Step, move, persist
from fiatrails.purchases.tools import WORKER, PurchaseTools

__all__ = ["QUEUES", "PurchaseTools", "advance_due"]


def advance_due(*, tools: PurchaseTools, limit: int = 100) -> int:
    """Make one pass over every queue and return how many rows were claimed. Safe in any number of processes."""
    waiting.wake_payable(now=tools.clock.now())
    moved = sum(queue.run(each, tools, clock=tools.clock, limit=limit) for each in QUEUES.values())
    return moved + queue.run(OUTCOMES, tools, clock=tools.clock, limit=limit)


def _expire(rows: Sequence[Purchase], tools: PurchaseTools) -> None:
    """Awaiting payment -> expired."""
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Purchase, rows)
        for purchase in mine:
            move(purchase, State.EXPIRED, now=now, due_at=None, reason="not paid in time")
            transaction.on_commit(mint_intents.labels(status="failed").inc)
        persist(mine, [Step(each.intent_id, each.state, WORKER, each.reason) for each in mine], now=now)
        daily_limit.give_back(mine)


def _refund(rows: Sequence[Purchase], tools: PurchaseTools) -> None:
    """Refunding -> refunded or held, following what the provider's own requests say."""
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Purchase, rows)
        steps = [step for purchase in mine if (step := refunds.follow(purchase, now=now)) is not None]
        persist(mine, steps, now=now)


def _chain() -> str:
    return default_chain().name


def _room(tools: PurchaseTools) -> int:
    """Return how many orders the chain has room for: what cannot be taken is left untouched, where it costs nothing."""
    try:
        return default_chain().room(now=tools.clock.now())
    except Misconfigured:
        # The step says what is missing, on each row.
        return queue.UNLIMITED


def _queue(
    state: State,
    operation: str,
    step: queue.Step[Purchase, PurchaseTools],
    *,
    flow: Flow | None = None,
    room: Callable[[PurchaseTools], int] | None = None,
) -> Queue[Purchase, PurchaseTools]:
    return Queue(
        name=f"purchases.{state.value}",
        model=Purchase,
        condition="AND state = %(state)s",
        params={"state": state.value},
        step=step,
        flow=flow,
        scope=_chain,
        room=room,
        metric=operation,
        work=lambda row: Work(operation, row.intent_id, letters.payload(row)),
    )


QUEUES: dict[State, Queue[Purchase, PurchaseTools]] = {
    State.AWAITING_PAYMENT: _queue(State.AWAITING_PAYMENT, "expireIntent", _expire),
    State.PAID: _queue(State.PAID, "checkCompliance", clearance.clear, flow=Flow.CLEAR),
    State.CLEARED: _queue(State.CLEARED, "executeMint", submission.submit, flow=Flow.SUBMIT, room=_room),
    State.HELD: _queue(State.HELD, "checkCompliance", clearance.review, flow=Flow.CLEAR),
    State.REFUNDING: _queue(State.REFUNDING, "refundPayment", _refund),
}
