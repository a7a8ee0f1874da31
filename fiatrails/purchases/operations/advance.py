"""Moving due intents forward. Each queue holds the intents of one state; a pass claims some and does one step.

No transaction is open while the chain or a provider is asked. What was learned is written afterwards, for those
rows whose fence is still ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from fiatrails.chains.core.clearance import Clearance
from fiatrails.chains.core.orders import MintOrder
from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.submitter.reservation import reserve
from fiatrails.compliance import clearing
from fiatrails.compliance.clearing import Subject
from fiatrails.compliance.policy import Verdict
from fiatrails.compliance.velocity.rules import Usage
from fiatrails.controls.modes import Flow, check
from fiatrails.engine import dead_letters
from fiatrails.engine.claim import claim, still_mine
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.backoff import delay
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import FiatRailsError, OutsideUnknown, StaleFence, Unavailable, Unprocessable
from fiatrails.kernel.metrics import mint_intents, retry_attempts
from fiatrails.kernel.money import Money
from fiatrails.providers.core.inbox import phones_of
from fiatrails.purchases.models import Intent
from fiatrails.purchases.operations import refunds
from fiatrails.purchases.operations.intents import release_daily_limit
from fiatrails.purchases.states import Hold, State
from fiatrails.purchases.store import Step, hold, move, persist

log = structlog.get_logger(__name__)
WORKER = "worker"
# A cleared intent that found no free slot asks again this soon; slots free up once per block.
SLOT_WAIT = timedelta(milliseconds=200)
HELD_RECHECK = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Tools:
    """What a step may use besides the database."""

    clock: Clock
    pool: RpcPool


def advance_due(*, tools: Tools, limit: int = 100) -> int:
    """One pass over every queue; returns how many intents were claimed. Safe to run in any number of processes."""
    return sum(_run_queue(state, step, tools=tools, limit=limit) for state, step in _QUEUES.items())


def _run_queue(state: State, step: _Step, *, tools: Tools, limit: int) -> int:
    lease = timedelta(seconds=profile().timeouts.lease_s)
    rows = claim(
        Intent, now=tools.clock.now(), lease=lease, limit=limit, where="AND state = %(state)s",
        params={"state": state.value},
    )  # fmt: skip
    if not rows:
        return 0
    try:
        step(rows, tools)
    except StaleFence as error:
        log.warning("intents.taken_over", state=state.value, error=str(error))
    except (OutsideUnknown, Unavailable) as error:
        _retry_later(rows, error, operation=_OPERATIONS[state], now=tools.clock.now())
    except FiatRailsError as error:
        _alone(rows, step, tools, error, operation=_OPERATIONS[state])
    return len(rows)


def _alone(rows: Sequence[Intent], step: _Step, tools: Tools, error: FiatRailsError, *, operation: str) -> None:
    """Something about one of the rows is wrong for good (a clearance that is not ours, say). Each is tried by itself,
    so that it alone ends as a dead letter and not its neighbours."""
    if len(rows) == 1:
        _retry_later(rows, error, operation=operation, now=tools.clock.now())
        return
    for row in rows:
        try:
            step([row], tools)
        except StaleFence:
            continue
        except FiatRailsError as own:
            _retry_later([row], own, operation=operation, now=tools.clock.now())


def _expire(rows: Sequence[Intent], tools: Tools) -> None:
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Intent, rows)
        for intent in mine:
            move(intent, State.EXPIRED, now=now, due_at=None, reason="not paid in time")
            transaction.on_commit(mint_intents.labels(status="failed").inc)
        persist(mine, [Step(i.intent_id, i.state, WORKER, i.reason) for i in mine], now=now)
        release_daily_limit(mine)


def _clear(rows: Sequence[Intent], tools: Tools) -> None:
    """Paid -> cleared or held. The registry is asked once for the whole batch."""
    check(Flow.CLEAR, now=tools.clock.now())
    subjects = _subjects(rows)
    entries = clearing.look_up(list(subjects.values()), pool=tools.pool)
    screened = clearing.screen_payers(list(subjects.values()), pool=tools.pool, now=tools.clock.now())
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Intent, rows)
        verdicts = clearing.decide([subjects[i.intent_id] for i in mine], entries, now=now, screened=screened)
        steps = []
        for intent in mine:
            verdict = verdicts[intent.intent_id]
            if verdict.cleared:
                move(intent, State.CLEARED, now=now, due_at=now)
            else:
                hold(intent, _hold_for(verdict), now=now, reason=verdict.reason, due_at=now + HELD_RECHECK)
            steps.append(Step(intent.intent_id, intent.state, "compliance", verdict.reason))
            if verdict.refund:
                steps += _refund_by_policy(intent, now, reason=verdict.reason)
        persist(mine, steps, now=now)
        notify()


def _hold_for(verdict: Verdict) -> Hold:
    if clearing.is_sanctions(verdict):
        return Hold.SANCTIONS
    return Hold.VELOCITY if clearing.is_velocity(verdict) else Hold.NOT_COMPLIANT


def _subjects(rows: Sequence[Intent]) -> dict[str, Subject]:
    """By intent id. Phones are only looked up where a velocity rule may count them."""
    limited = bool(profile().velocity)
    phones = phones_of([row.intent_id for row in rows]) if limited else {}
    return {
        row.intent_id: Subject(
            row.intent_id, row.user, int(row.amount), _usage(row, phones.get(row.intent_id)) if limited else None
        )
        for row in rows
    }  # fmt: skip


def _usage(intent: Intent, phone: str | None) -> Usage:
    """A payer is known by the wallet; cards come with card payments."""
    return Usage(
        intent.intent_id, Money(intent.fiat_currency, intent.fiat_paid), payer=intent.user, wallet=intent.user,
        phone=phone, country=intent.country_code,
    )  # fmt: skip


def _reserve(rows: Sequence[Intent], tools: Tools) -> None:
    """Cleared -> submitting, in the transaction that takes the nonce. What found no slot waits for one; whose
    clearance ran out meanwhile is cleared again."""
    now = tools.clock.now()
    check(Flow.SUBMIT, now=now)
    with transaction.atomic():
        mine = still_mine(Intent, rows)
        valid = clearing.clearances([i.intent_id for i in mine], now=now)
        orders = [_order(i, valid) for i in mine if i.intent_id in valid]
        taken = set(reserve(orders, now=now, clearance_key=clearing.clearance_key())) if orders else set()
        steps = []
        for intent in mine:
            if intent.intent_id in taken:
                move(intent, State.SUBMITTING, now=now, due_at=None)
                steps.append(Step(intent.intent_id, intent.state, WORKER))
            elif intent.intent_id not in valid:
                move(intent, State.PAID, now=now, due_at=now)
                steps.append(Step(intent.intent_id, intent.state, WORKER, "clearance expired"))
            else:
                _look_again(intent, now + SLOT_WAIT)
        persist(mine, steps, now=now)
        notify()


def _order(intent: Intent, valid: dict[str, Clearance]) -> MintOrder:
    return MintOrder(
        intent_id=intent.intent_id, user=intent.user, amount=int(intent.amount), country_code=intent.country_code,
        tx_ref_hash=intent.tx_ref_hash, clearance=valid[intent.intent_id], alone=intent.alone,
    )  # fmt: skip


def _review_held(rows: Sequence[Intent], tools: Tools) -> None:
    """Payers held for compliance are looked up again: KYC may have been completed. After the policy's time, refund."""
    check(Flow.CLEAR, now=tools.clock.now())
    subjects = _subjects(rows)
    entries = clearing.look_up(list(subjects.values()), pool=tools.pool)
    screened = clearing.screen_payers(list(subjects.values()), pool=tools.pool, now=tools.clock.now())
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Intent, rows)
        steps: list[Step] = []
        for intent in mine:
            if clearing.would_clear(subjects[intent.intent_id], entries[intent.user], now=now, screened=screened):
                move(intent, State.PAID, now=now, due_at=now)
                steps.append(Step(intent.intent_id, intent.state, "compliance", "now compliant"))
            elif _refund_due(intent, now):
                steps += _refund_by_policy(intent, now)
            else:
                _look_again(intent, now + HELD_RECHECK)
        persist(mine, steps, now=now)
        notify()


def _refund_by_policy(intent: Intent, now: datetime, *, reason: str = "not compliant in time") -> list[Step]:
    """A payment without a receipt cannot be reversed through the provider: it stays held, for an operator."""
    try:
        return [refunds.begin(intent, actor="policy", reason=reason, now=now)]
    except Unprocessable as refusal:
        intent.due_at, intent.last_error = None, refusal.message
        _bury(intent, "refundByPolicy", now, error_class="permanent")
        return []


def _look_again(intent: Intent, at: datetime) -> None:
    """It was looked at and nothing has changed: failures before that do not add up with those of another day."""
    intent.due_at, intent.attempts, intent.last_error = at, 0, ""


def _refund_due(intent: Intent, now: datetime) -> bool:
    """Money of a payer who may be listed goes back to nobody by itself."""
    after = profile().compliance.refund_non_compliant_after_s
    if intent.hold == Hold.SANCTIONS:
        return False
    return after is not None and intent.held_at is not None and now >= intent.held_at + timedelta(seconds=after)


def _refund(rows: Sequence[Intent], tools: Tools) -> None:
    """Refunding -> refunded or held, following what the provider's own requests say."""
    now = tools.clock.now()
    with transaction.atomic():
        mine = still_mine(Intent, rows)
        steps = [step for intent in mine if (step := refunds.follow(intent, now=now)) is not None]
        persist(mine, steps, now=now)


def _retry_later(rows: Sequence[Intent], error: FiatRailsError, *, operation: str, now: datetime) -> None:
    """Nothing was learned: the same step again after a pause; exhausted, it is a dead letter, visible and replayable.

    A mode that holds the flow back is nobody's failure and costs no attempt.
    """
    retry_attempts.labels(operation=operation).inc(len(rows))
    log.warning("intents.retry", operation=operation, count=len(rows), code=error.code)
    held_back = isinstance(error, Unavailable)
    with transaction.atomic():
        mine = still_mine(Intent, rows)
        for intent in mine:
            intent.attempts += 0 if held_back else 1
            intent.last_error = str(error)
            intent.due_at = now + (timedelta(seconds=1) if held_back else delay(intent.attempts, profile().retry))
            if intent.attempts >= profile().retry.max_attempts:
                intent.due_at = None
                _bury(intent, operation, now)
        persist(mine, [], now=now)


def _bury(intent: Intent, operation: str, now: datetime, *, error_class: str = "temporary") -> None:
    dead_letters.add(
        operation=operation, subject=intent.intent_id, attempts=intent.attempts, last_error=intent.last_error,
        error_class=error_class, payload={"txRef": intent.tx_ref, "state": intent.state}, now=now,
    )  # fmt: skip


_Step = Callable[[Sequence[Intent], Tools], None]
_QUEUES: dict[State, _Step] = {
    State.AWAITING_PAYMENT: _expire,
    State.PAID: _clear,
    State.CLEARED: _reserve,
    State.HELD: _review_held,
    State.REFUNDING: _refund,
}
_OPERATIONS = {
    State.AWAITING_PAYMENT: "expireIntent",
    State.PAID: "checkCompliance",
    State.CLEARED: "executeMint",
    State.HELD: "checkCompliance",
    State.REFUNDING: "refundPayment",
}
