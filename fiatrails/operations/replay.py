"""Dead letters set going again: one, several, or all since a time; each closed in the transaction that restarts it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from fiatrails.controls.modes import Flow, check
from fiatrails.engine import dead_letters
from fiatrails.engine.dead_letters import Letter
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.errors import Conflict
from fiatrails.providers.core.models import Payment
from fiatrails.providers.core.provider import provider_named
from fiatrails.purchases import queries
from fiatrails.purchases.replay import Rearmed, rearm

# Operations whose work is a row's own next step; anything else needs a person's decision first.
CONFIRM_PAYMENT = "confirmPayment"
REPLAYABLE = frozenset(
    {"checkCompliance", "executeMint", "applyOutcome", "expireIntent", "refundPayment", CONFIRM_PAYMENT}
)
AUTOMATIC = "dlq-auto-retry"
_ADVICE = {
    "callbackConflict": "compare the stored bytes, then discard it with a reason",
    "surplusPayment": "return the money with `fiatrails payments refund`, then discard it with a reason",
    "refundByPolicy": "pay it back and record it with `fiatrails intent refund --external-reference`",
    "mintUnexpected": "compare chain and rows with `fiatrails ledger reconcile`, then discard it with a reason",
    "mintTermsDiffer": "compare chain and rows with `fiatrails ledger reconcile`, then discard it with a reason",
    "compareSupply": "run `fiatrails ledger reconcile`; it closes itself when chain and books agree again",
    "refreshLists": "run `fiatrails lists refresh`; it closes itself when one works",
    "screenPayers": "run `fiatrails lists status`; it closes itself once a list can be relied on",
    "suspendPayer": "see `fiatrails user show` and the officer's lane; it is tried again by itself and closes itself",
    "unmatchedPayment": "create the intent it names, or return the money with `fiatrails payments refund`",
}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a replay would touch: items by (operation, error class), and minor units paid for their intents."""

    count: int
    by_operation: dict[tuple[str, str], int]
    value: dict[str, int]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one item. `restarted` False: nothing had to be done (`closed`) or nothing may be (`advice`)."""

    item_id: str
    subject: str
    restarted: bool
    closed: bool
    why: str


def replay_item(*, item_id: str, actor: str, now: datetime) -> Replayed:
    """Replays one open item. NotFound when there is none, Conflict when it is closed already."""
    check(Flow.REPLAY, now=now)
    item = dead_letters.get(item_id)
    if item.state != "open":
        raise Conflict("dead_letter_closed", f"{item.item_id} is {item.state} already")
    if not is_replayable(item.operation):
        why = _ADVICE.get(item.operation, "needs a decision; discard it with a reason when it is made")
        return Replayed(item.item_id, item.subject, False, False, why)
    with transaction.atomic():
        result = _restart(item, actor, now)
        if result.restarted:
            dead_letters.mark_replayed(item.item_id, actor=actor, now=now)
        else:
            dead_letters.resolve(item.item_id, reason=result.why, actor=actor, now=now)
    return Replayed(item.item_id, item.subject, result.restarted, True, result.why)


def is_replayable(operation: str) -> bool:
    """Whether the operation's work can simply be set going again."""
    return operation in REPLAYABLE or provider_named(operation.partition(":")[0]) is not None


def _restart(item: Letter, actor: str, now: datetime) -> Rearmed:
    payload = dead_letters.show(item.item_id)["payload"]
    details = payload if isinstance(payload, dict) else {}
    if item.operation == CONFIRM_PAYMENT:
        event_id = int(details["inboxId"])
        teller = provider_named(Payment.objects.values_list("provider", flat=True).get(pk=event_id))
        if teller is None:
            return Rearmed(False, "its provider is not one of this deployment any more")
        teller.confirm_again(event_id=event_id, now=now)
        return Rearmed(True, "the provider is asked again; a receipt is credited once, whatever reports it")
    asked = provider_named(item.operation.partition(":")[0])
    if asked is not None:
        asked.retry_request(request_id=int(details["requestId"]), now=now)
        return Rearmed(True, "the provider is asked what became of the request before anything is sent again")
    return rearm(intent_id=item.subject, actor=actor, now=now)


def open_items(*, since: datetime | None = None) -> list[Letter]:
    """The open items, oldest first."""
    groups = dead_letters.list_open(since=since)
    return sorted((item for group in groups for item in group.items), key=lambda item: item.created_at)


def replay_many(items: Sequence[Letter], *, actor: str, now: datetime) -> list[Replayed]:
    """Replays each; one that somebody closed meanwhile is reported, not raised."""
    results = []
    for item in items:
        try:
            results.append(replay_item(item_id=item.item_id, actor=actor, now=now))
        except Conflict as error:
            results.append(Replayed(item.item_id, item.subject, False, True, error.message))
    return results


def preview(items: Sequence[Letter]) -> Preview:
    """Return how much a replay of these items would set going, and what it is worth by currency."""
    counts = Counter((item.operation, item.error_class) for item in items)
    value = queries.paid_by_currency({item.subject for item in items if item.subject})
    return Preview(len(items), dict(sorted(counts.items())), value)


def replay_at_rate(
    items: Sequence[Letter], *, actor: str, per_second: float, clock: Clock, progress: Callable[[int], None]
) -> list[Replayed]:
    """Replay each, at most so many a second; `progress` is told how many are done. A single item that is closed
    already is a Conflict, one of several is reported."""
    if len(items) == 1:
        return [replay_item(item_id=items[0].item_id, actor=actor, now=clock.now())]
    results: list[Replayed] = []
    for number, item in enumerate(items):
        time.sleep(1 / per_second if number else 0)
        results += replay_many([item], actor=actor, now=clock.now())
        progress(len(results))
    return results


def retry_temporary(*, now: datetime) -> int:
    """The ten-minute job: replays what failed for a passing reason; returns how many were set going."""
    items = [item for item in open_items() if item.error_class == "temporary" and is_replayable(item.operation)]
    return sum(result.restarted for result in replay_many(items, actor=AUTOMATIC, now=now))
