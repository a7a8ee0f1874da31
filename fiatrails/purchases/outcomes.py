"""What the chain did to the orders: mined, undone by a reorg, executed for good, or released unused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from fiatrails.chains.evm.orders import Outcome, OutcomeKind
from fiatrails.chains.evm.submitter.outcomes import take
from fiatrails.engine import dead_letters
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.backoff import delay
from fiatrails.kernel.conf import profile
from fiatrails.kernel.metrics import mint_intents
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import EntryDraft, post
from fiatrails.purchases.models import Intent
from fiatrails.purchases.states import Hold, State
from fiatrails.purchases.store import Step, hold, move, persist

log = structlog.get_logger(__name__)
# Skip codes that a repetition cannot change; the money waits for a person. Others (a rate limit, a revert) may pass.
_PERMANENT = {
    "invalid_amount", "invalid_user", "over_per_mint_limit", "token_refused", "escrow_pending", "escrow_refunded",
    "escrow_failed",
}  # fmt: skip
# The escrow minted for this id, but to another user or another amount than was ordered.
TERMS_DIFFER = "terms_differ"
# Where a final mint may be reported; anything else means that the database was restored or edited.
_EXPECTING = {State.SUBMITTING, State.MINED, State.EXECUTED}


def collect_outcomes(*, now: datetime, limit: int = 500) -> int:
    """Applies what the submitter reported since the last time. The report is marked as taken in the transaction that
    moves the intents and posts to the ledger, so each is applied exactly once."""
    with transaction.atomic():
        outcomes = take(limit, now=now)
        if not outcomes:
            return 0
        intents = _lock(outcomes)
        steps: list[Step] = []
        drafts: list[EntryDraft] = []
        for outcome in outcomes:
            intent = intents.get(outcome.intent_id)
            if intent is None:
                # Only a restored or edited database brings this about; the invariants report the mint.
                log.error("outcome.unknown_intent", intent_id=outcome.intent_id, kind=outcome.kind.value)
                continue
            before = intent.state
            if outcome.kind is OutcomeKind.EXECUTED and before not in _EXPECTING:
                _alarm(intent, outcome, "mintUnexpected", f"minted while the intent was {before}", now)
                continue
            _apply(intent, outcome, now)
            if intent.state != before:
                steps.append(Step(intent.intent_id, intent.state, "chain", _detail(outcome)))
            if outcome.code == TERMS_DIFFER:
                _alarm(intent, outcome, "mintTermsDiffer", "minted on other terms than were ordered", now)
            if outcome.kind is OutcomeKind.EXECUTED and before != State.EXECUTED:
                drafts.append(_mint_entry(intent))
        persist(list(intents.values()), steps, now=now)
        post(drafts, now=now)
        notify()
    mint_intents.labels(status="executed").inc(len(drafts))
    return len(outcomes)


def _alarm(intent: Intent, outcome: Outcome, operation: str, what: str, now: datetime) -> None:
    """What the chain did is a fact that the rows cannot follow by themselves: a person decides, nothing else waits."""
    dead_letters.add(
        operation=operation, subject=intent.intent_id, attempts=1,
        last_error=f"{what}, in {outcome.tx_hash}; compare and decide",
        error_class="permanent", payload={"txRef": intent.tx_ref, "txHash": outcome.tx_hash}, now=now,
    )  # fmt: skip


def _lock(outcomes: Sequence[Outcome]) -> dict[str, Intent]:
    ids = {outcome.intent_id for outcome in outcomes}
    rows = Intent.objects.select_for_update().filter(intent_id__in=ids).order_by("pk")
    return {row.intent_id: row for row in rows}


def _apply(intent: Intent, outcome: Outcome, now: datetime) -> None:
    state = State(intent.state)
    if outcome.kind is OutcomeKind.EXECUTED:
        if state is not State.EXECUTED:
            intent.tx_hash, intent.block_number = outcome.tx_hash, outcome.block_number
            move(intent, State.EXECUTED, now=now, due_at=None)
    elif outcome.kind is OutcomeKind.MINED:
        if state is State.SUBMITTING:
            intent.tx_hash, intent.block_number = outcome.tx_hash, outcome.block_number
            move(intent, State.MINED, now=now, due_at=None)
    elif outcome.kind is OutcomeKind.UNMINED:
        if state is State.MINED:
            intent.tx_hash = intent.block_number = None
            move(intent, State.SUBMITTING, now=now, due_at=None)
    elif state in (State.SUBMITTING, State.MINED):
        _released(intent, outcome, now)


def _released(intent: Intent, outcome: Outcome, now: datetime) -> None:
    """The slot is finalized and the escrow says unused: a new order cannot mint twice."""
    log.warning("intent.released", intent_id=intent.intent_id, code=outcome.code)
    intent.tx_hash = intent.block_number = None
    reason = f"the chain skipped the mint: {outcome.code}"
    intent.releases += 1
    if outcome.code == "not_compliant":
        # The registry is asked again, which holds the payer with a reason or lets the mint pass.
        move(intent, State.PAID, now=now, due_at=now, reason=reason)
    elif outcome.code in _PERMANENT or intent.releases >= profile().retry.max_attempts:
        hold(intent, Hold.CHAIN_REFUSED, now=now, reason=f"{reason}; accept to try again, or refund")
    else:
        pause = max(delay(intent.releases, profile().retry), timedelta(seconds=1))
        move(intent, State.PAID, now=now, due_at=now + pause, reason=reason)
        intent.alone = True


def _detail(outcome: Outcome) -> str:
    block = f" in block {outcome.block_number}" if outcome.block_number is not None else ""
    return f"{outcome.code or outcome.tx_hash or ''}{block}"


def _mint_entry(intent: Intent) -> EntryDraft:
    return entries.mint_executed(
        intent_id=intent.intent_id,
        money=Money(intent.fiat_currency, intent.fiat_expected),
        token_amount=int(intent.amount),
        country=intent.country_code,
    )
