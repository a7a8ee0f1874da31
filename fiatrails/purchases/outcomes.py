"""What the chains did to the orders: mined, undone by a reorg, executed for good, or released unused.

An outcome that cannot be applied is set aside on its delivery and tried again by a queue; its neighbours go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F

from fiatrails.chains.core.chain import Chain, Outcome, OutcomeKind
from fiatrails.chains.registry import chains
from fiatrails.engine import dead_letters
from fiatrails.engine.claim import still_mine
from fiatrails.engine.dead_letters import Work
from fiatrails.engine.queue import Queue
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.backoff import delay
from fiatrails.kernel.conf import profile
from fiatrails.kernel.metrics import mint_intents, retry_attempts
from fiatrails.kernel.money import Money
from fiatrails.ledger import entries
from fiatrails.ledger.posting import EntryDraft, post
from fiatrails.purchases import deliveries
from fiatrails.purchases.models import Delivery, Purchase
from fiatrails.purchases.states import DeliveryState, Hold, State, after_deliveries, awaits_execution
from fiatrails.purchases.store import Step, hold, move, persist
from fiatrails.purchases.tools import PurchaseTools

log = structlog.get_logger(__name__)
# Skip codes that a repetition cannot change; the money waits for a person. Others (a rate limit, a revert) may pass.
_PERMANENT = {
    "invalid_amount",
    "invalid_user",
    "over_per_mint_limit",
    "token_refused",
    "escrow_pending",
    "escrow_refunded",
    "escrow_failed",
}
# The order left its slot before anything was signed: nothing is wrong with it, and it goes on as soon as it can.
_UNSIGNED = {"clearance_expired", "contracts_paused", "treasury_short", "allowance_short"}
# The chain settled this reference, but to another recipient or another amount than was ordered.
TERMS_DIFFER = "terms_differ"
_METRIC = "executeMint"


def collect_outcomes(*, now: datetime, limit: int = 500) -> int:
    """Apply what the chains reported since the last time; return how many outcomes.

    An outcome is marked as told in the transaction that moves the purchase and posts to the ledger, so each is applied
    exactly once. When a batch cannot be applied, all of it is set aside, and `OUTCOMES` takes it row by row.
    """
    return sum(_collect(chain, now, limit) for chain in chains())


def _collect(chain: Chain, now: datetime, limit: int) -> int:
    try:
        with transaction.atomic():
            outcomes = chain.collect(limit, now=now)
            _apply_all(outcomes, now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        log.exception("outcomes.batch_failed", chain=chain.name)
        return _set_aside(chain, now, limit)
    return len(outcomes)


def _set_aside(chain: Chain, now: datetime, limit: int) -> int:
    """Keep the outcomes on their deliveries, due at once; the latest for each, which says what the earlier ones say."""
    with transaction.atomic():
        outcomes = chain.collect(limit, now=now)
        latest = {outcome.reference: outcome for outcome in outcomes}
        rows = list(Delivery.objects.select_for_update().filter(reference__in=latest).order_by("pk"))
        for row in rows:
            row.news, row.due_at, row.attempts, row.fence = asdict(latest[row.reference]), now, 0, row.fence + 1
        Delivery.objects.bulk_update(rows, ["news", "due_at", "attempts", "fence"])
        for unknown in latest.keys() - {row.reference for row in rows}:
            _log_unknown(latest[unknown])
        notify()
    retry_attempts.labels(operation=_METRIC).inc(len(rows))
    return len(outcomes)


def _apply_again(rows: Sequence[Delivery], tools: PurchaseTools) -> None:
    """Apply what was set aside."""
    with transaction.atomic():
        # Purchases are locked before their deliveries everywhere.
        _lock([row.reference for row in rows])
        mine = still_mine(Delivery, rows)
        outcomes = [Outcome(**row.news) for row in mine if row.news is not None]
        _apply_all([replace(each, kind=OutcomeKind(each.kind)) for each in outcomes], tools.clock.now())


OUTCOMES: Queue[Delivery, PurchaseTools] = Queue(
    name="purchases.outcomes",
    model=Delivery,
    condition="AND news IS NOT NULL",
    step=_apply_again,
    work=lambda row: Work("applyOutcome", row.purchase.intent_id, {"reference": row.reference, "outcome": row.news}),
    metric=_METRIC,
)


def _apply_all(outcomes: Sequence[Outcome], now: datetime) -> None:
    """Move deliveries and purchases and post to the ledger, in the caller's transaction."""
    if not outcomes:
        return
    known = _lock([outcome.reference for outcome in outcomes])
    steps: list[Step] = []
    drafts: list[EntryDraft] = []
    for outcome in outcomes:
        delivery = known.get(outcome.reference)
        if delivery is None:
            _log_unknown(outcome)
            continue
        purchase, before, stood = delivery.purchase, delivery.purchase.state, delivery.state
        states = [part.state for part in purchase.parts]
        if outcome.kind is OutcomeKind.EXECUTED and not awaits_execution(before, stood, states):
            _alarm(purchase, outcome, "mintUnexpected", f"minted while the intent was {before}", now)
            continue
        _apply(delivery, outcome, now)
        if purchase.state != before or (len(states) > 1 and delivery.state != stood):
            steps.append(Step(purchase.intent_id, purchase.state, "chain", _detail(outcome)))
        if outcome.code == TERMS_DIFFER:
            _alarm(purchase, outcome, "mintTermsDiffer", "minted on other terms than were ordered", now)
        if purchase.state == State.EXECUTED and before != State.EXECUTED:
            drafts.append(_mint_entry(purchase))
    purchases = list({delivery.purchase_id: delivery.purchase for delivery in known.values()}.values())
    persist(purchases, steps, now=now, deliveries=list(known.values()))
    _forget_news(known.values())
    post(drafts, now=now)
    notify()
    transaction.on_commit(lambda: mint_intents.labels(status="executed").inc(len(drafts)))


def _log_unknown(outcome: Outcome) -> None:
    # Only a restored or edited database brings this about; the invariants report the mint.
    log.error("outcome.unknown_intent", intent_id=outcome.reference, kind=outcome.kind.value)


def _forget_news(applied: Iterable[Delivery]) -> None:
    """Drop what was set aside: it is applied, or a later outcome says more."""
    aside = [delivery.pk for delivery in applied if delivery.news is not None]
    if aside:
        Delivery.objects.filter(pk__in=aside).update(
            news=None, due_at=None, lease_until=None, attempts=0, last_error="", fence=F("fence") + 1
        )


def _alarm(purchase: Purchase, outcome: Outcome, operation: str, what: str, now: datetime) -> None:
    """Leave to a person what the chain did and the rows cannot follow by themselves; nothing else waits for it."""
    dead_letters.add(
        operation=operation,
        subject=purchase.intent_id,
        attempts=1,
        last_error=f"{what}, in {outcome.transaction}; compare and decide",
        error_class="permanent",
        payload={"txRef": purchase.tx_ref, "txHash": outcome.transaction},
        now=now,
    )


def _lock(references: Sequence[str]) -> dict[str, Delivery]:
    """Lock the purchases of these deliveries; return the deliveries that are meant, each with its purchase."""
    meant = set(references)
    owners = Delivery.objects.filter(reference__in=meant).values("purchase_id")
    rows = list(Purchase.objects.select_for_update().filter(pk__in=owners).order_by("pk"))
    deliveries.load(rows)
    return {part.reference: part for row in rows for part in row.parts if part.reference in meant}


def _apply(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    state = DeliveryState(delivery.state)
    if outcome.kind is OutcomeKind.EXECUTED:
        if state is not DeliveryState.EXECUTED:
            _place(delivery, DeliveryState.EXECUTED, outcome)
    elif outcome.kind is OutcomeKind.MINED:
        if state is DeliveryState.SUBMITTING:
            _place(delivery, DeliveryState.MINED, outcome)
    elif outcome.kind is OutcomeKind.UNMINED:
        if state is DeliveryState.MINED:
            _place(delivery, DeliveryState.SUBMITTING, None)
    elif state in (DeliveryState.SUBMITTING, DeliveryState.MINED):
        _released(delivery, outcome, now)
    purchase = delivery.purchase
    target = after_deliveries([part.state for part in purchase.parts])
    if target is not None and target != purchase.state:
        move(purchase, target, now=now, due_at=None)


def _place(delivery: Delivery, state: DeliveryState, outcome: Outcome | None) -> None:
    delivery.state = state.value
    delivery.transaction = outcome.transaction if outcome else None
    delivery.place = outcome.place if outcome else None


def _released(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    """Send the purchase back, or hold it: the chain says for good that the order was not executed, so a new one cannot
    settle twice."""
    log.warning("intent.released", intent_id=delivery.reference, code=outcome.code)
    _place(delivery, DeliveryState.WAITING, None)
    purchase = delivery.purchase
    if outcome.code in _UNSIGNED:
        _back_in_line(purchase, outcome, now)
        return
    delivery.releases += 1
    reason = f"the chain skipped the mint: {outcome.code}"
    # A purchase that was sent back for another delivery orders this one again with it, unless it is held.
    sent_back = purchase.state not in (State.SUBMITTING, State.MINED)
    if outcome.code == "not_compliant":
        # The registry is asked again, which holds the payer with a reason or lets the mint pass.
        due_at = now
    elif outcome.code in _PERMANENT or delivery.releases >= profile().retry.max_attempts:
        if purchase.state != State.HELD:
            hold(purchase, Hold.CHAIN_REFUSED, now=now, reason=f"{reason}; accept to try again, or refund")
        return
    else:
        delivery.alone = True
        due_at = now + max(delay(delivery.releases, profile().retry), timedelta(seconds=1))
    if not sent_back:
        move(purchase, State.PAID, now=now, due_at=due_at, reason=reason)


def _back_in_line(purchase: Purchase, outcome: Outcome, now: datetime) -> None:
    """Clear it again, in the place that it had among those that paid."""
    if purchase.state in (State.SUBMITTING, State.MINED):
        due_at = min(purchase.paid_at or now, now)
        move(purchase, State.PAID, now=now, due_at=due_at, reason=f"left its slot unsigned: {outcome.code}")


def _detail(outcome: Outcome) -> str:
    block = f" in block {outcome.place}" if outcome.place is not None else ""
    return f"{outcome.code or outcome.transaction or ''}{block}"


def _mint_entry(purchase: Purchase) -> EntryDraft:
    """Return one entry for the purchase: its money once, and the tokens of each asset."""
    amounts: Counter[str] = Counter()
    for delivery in purchase.parts:
        amounts[delivery.asset] += int(delivery.amount)
    money = Money(purchase.fiat_currency, purchase.fiat_expected)
    first, *others = (
        entries.mint_executed(intent_id=purchase.intent_id, money=money, token_amount=amount, country=asset)
        for asset, amount in amounts.items()
    )
    tokens = [line for each in others for line in each.postings if line.account_code.startswith("token_")]
    return replace(first, postings=(*first.postings, *tokens))
