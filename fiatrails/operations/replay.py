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
from fiatrails.purchases.replay import Restart, retry

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
    "mintsHeld": "do what its text says (`fiatrails doctor` shows it too); it closes itself when mints go out again",
    "mintUnexpected": "compare chain and rows with `fiatrails ledger reconcile`, then discard it with a reason",
    "mintTermsDiffer": "compare chain and rows with `fiatrails ledger reconcile`, then discard it with a reason",
    "compareSupply": "run `fiatrails ledger reconcile`; it closes itself when chain and books agree again",
    "refreshLists": "run `fiatrails lists refresh`; it closes itself when one works",
    "screenPayers": "run `fiatrails lists status`; it closes itself once a list can be relied on",
    "reversedAfterDecision": "recover the money from the payer, then discard it with a reason",
    "suspendPayer": "see `fiatrails user show` and the officer's lane; it is tried again by itself and closes itself",
    "unmatchedPayment": "create the intent it names, or return the money with `fiatrails payments refund`",
}


@dataclass(frozen=True, slots=True)
class ReplayPreview:
    """What a replay would touch: items by (operation, error class), and minor units paid for their intents."""

    count: int
    by_operation: dict[tuple[str, str], int]
    value: dict[str, int]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What became of one item. `restarted` False: nothing had to be done (`closed`) or nothing may be (`advice`)."""

    item_id: str
    subject: str
    restarted: bool
    closed: bool
    why: str


def replay_item(*, item_id: str, actor: str, now: datetime) -> ReplayResult:
    """Replay one open item; NotFound when there is none, Conflict when it is closed already."""
    check(Flow.REPLAY, now=now)
    item = dead_letters.get(item_id)
    if item.state != "open":
        raise Conflict("dead_letter_closed", f"{item.item_id} is {item.state} already")
    if not is_replayable(item.operation):
        why = _ADVICE.get(item.operation, "needs a decision; discard it with a reason when it is made")
        return ReplayResult(item.item_id, item.subject, False, False, why)
    with transaction.atomic():
        result = _restart(item, actor, now)
        if result.restarted:
            dead_letters.mark_replayed(item.item_id, actor=actor, now=now)
        else:
            dead_letters.resolve(item.item_id, reason=result.why, actor=actor, now=now)
    return ReplayResult(item.item_id, item.subject, result.restarted, True, result.why)


def is_replayable(operation: str) -> bool:
    """Return whether the operation's work can simply be set going again."""
    return operation in REPLAYABLE or provider_named(operation.partition(":")[0]) is not None


def _restart(item: Letter, actor: str, now: datetime) -> Restart:
    payload = dead_letters.show(item.item_id)["payload"]
    details = payload if isinstance(payload, dict) else {}
    if item.operation == CONFIRM_PAYMENT:
        event_id = int(details["inboxId"])
        reporter = provider_named(Payment.objects.values_list("provider", flat=True).get(pk=event_id))
        if reporter is None:
            return Restart(False, "its provider is not one of this deployment any more")
        reporter.confirm_again(event_id=event_id, now=now)
        return Restart(True, "the provider is asked again; a receipt is credited once, whatever reports it")
    provider = provider_named(item.operation.partition(":")[0])
    if provider is not None:
        provider.retry_request(request_id=int(details["requestId"]), now=now)
        return Restart(True, "the provider is asked what became of the request before anything is sent again")
    return retry(intent_id=item.subject, actor=actor, now=now)


def open_items(*, since: datetime | None = None, error_class: str | None = None) -> list[Letter]:
    """Return every open item, oldest first."""
    groups = dead_letters.list_open(since=since, error_class=error_class, limit=None)
    return sorted((item for group in groups for item in group.items), key=lambda item: item.created_at)


def replay_many(items: Sequence[Letter], *, actor: str, now: datetime) -> list[ReplayResult]:
    """Replay each; one that somebody closed meanwhile is reported, not raised."""
    results = []
    for item in items:
        try:
            results.append(replay_item(item_id=item.item_id, actor=actor, now=now))
        except Conflict as error:
            results.append(ReplayResult(item.item_id, item.subject, False, True, error.message))
    return results


def preview(items: Sequence[Letter]) -> ReplayPreview:
    """Return how much a replay of these items would set going, and what it is worth by currency."""
    counts = Counter((item.operation, item.error_class) for item in items)
    value = queries.paid_by_currency({item.subject for item in items if item.subject})
    return ReplayPreview(len(items), dict(sorted(counts.items())), value)


def replay_at_rate(
    items: Sequence[Letter], *, actor: str, per_second: float, clock: Clock, progress: Callable[[int], None]
) -> list[ReplayResult]:
    """Replay each, at most so many a second; `progress` is told how many are done. A single item that is closed
    already is a Conflict, one of several is reported."""
    if len(items) == 1:
        return [replay_item(item_id=items[0].item_id, actor=actor, now=clock.now())]
    results: list[ReplayResult] = []
    for number, item in enumerate(items):
        time.sleep(1 / per_second if number else 0)
        results += replay_many([item], actor=actor, now=clock.now())
        progress(len(results))
    return results


def retry_temporary(*, now: datetime) -> int:
    """Replay what failed for a passing reason (the ten-minute job); return how many were set going."""
    items = [item for item in open_items(error_class="temporary") if is_replayable(item.operation)]
    return sum(result.restarted for result in replay_many(items, actor=AUTOMATIC, now=now))
