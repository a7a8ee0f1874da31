"""Setting stopped purchases going again, and saying why that cannot mint twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, F, QuerySet, Sum

from fiatrails.engine.wakeup import notify
from fiatrails.purchases.models import Delivery, Purchase
from fiatrails.purchases.payments import refunds
from fiatrails.purchases.states import TERMINAL, Hold, State
from fiatrails.purchases.store import Step, persist

# States that a worker moves by itself once the row is due.
DRIVEN = (State.PAID, State.CLEARED, State.REFUNDING)


@dataclass(frozen=True, slots=True)
class Restart:
    """`restarted`: the purchase is due again. `why`: what happened, or why nothing had to, in a sentence."""

    restarted: bool
    why: str


def retry(*, intent_id: str, actor: str, now: datetime) -> Restart:
    """Make a stopped purchase due again. In the caller's transaction, with the dead letter that it closes."""
    purchase = Purchase.objects.select_for_update().filter(intent_id=intent_id).first()
    if purchase is None:
        return Restart(False, "there is no such intent any more")
    aside = Delivery.objects.filter(purchase=purchase, news__isnull=False)
    applied_again = aside.update(due_at=now, attempts=0, lease_until=None, fence=F("fence") + 1)
    state = State(purchase.state)
    if applied_again and state not in DRIVEN:
        notify()
        return Restart(True, "what the chain reported is applied again; the ledger knows a mint by its key")
    if state in TERMINAL:
        return Restart(False, f"nothing to do: the intent is {state.value} already")
    if state in (State.SUBMITTING, State.MINED):
        return Restart(False, "nothing to do: its transaction owns a nonce and the submitter settles it")
    if state is State.HELD and purchase.hold == Hold.REFUND_FAILED:
        step = refunds.begin(purchase, actor=actor, reason=purchase.reason, now=now)
        persist([purchase], [step], now=now)
        return Restart(True, "the refund starts again; a payment has one live reversal, so it is returned once")
    # A payer held for compliance is looked up again and again, by a worker; an outage may have ended that.
    looked_up = state is State.HELD and purchase.hold in (Hold.NOT_COMPLIANT, Hold.SANCTIONS, Hold.VELOCITY)
    if state not in DRIVEN and not looked_up:
        return Restart(False, f"the intent is {state.value}: accept or refund it instead")
    purchase.due_at, purchase.attempts, purchase.last_error = now, 0, ""
    persist([purchase], [Step(purchase.intent_id, state.value, actor, "replayed")], now=now)
    notify()
    return Restart(True, "due again; it holds no live nonce slot, and the escrow refuses a second mint of its id")


@dataclass(frozen=True, slots=True)
class Backlog:
    """Purchases waiting in one state: how many, and what was paid for them (minor units)."""

    state: str
    currency: str
    count: int
    paid_minor: int


def backlog() -> list[Backlog]:
    """Return what is paid or queued and not yet settled, by state."""
    rows = _open().values("state", "fiat_currency").annotate(n=Count("id"), paid=Sum("fiat_paid"))
    return [Backlog(r["state"], r["fiat_currency"], r["n"], r["paid"] or 0) for r in rows.order_by("state")]


def wake_backlog(*, now: datetime) -> int:
    """Make every waiting purchase due now instead of after its back-off, those that wait for coins too; return how
    many.

    The next claim takes them in order; nothing is done twice, because claiming is what it always was.
    """
    driven = Purchase.objects.filter(state__in=[s.value for s in DRIVEN])
    with transaction.atomic():
        count = driven.filter(due_at__gt=now).update(due_at=now)
        asked_again = driven.exclude(waits_for="").filter(due_at=None)
        count += asked_again.update(due_at=now, waits_for="", waits_since=None, last_error="", fence=F("fence") + 1)
        notify()
    return count


def given_up() -> list[str]:
    """Return the intents that a worker would move and that nothing will make due again: they are out of attempts."""
    rows = Purchase.objects.filter(state__in=[s.value for s in DRIVEN], due_at=None, waits_for="")
    return list(rows.order_by("id").values_list("intent_id", flat=True))


def due(*, now: datetime) -> int:
    """Return how many purchases are due already, so that only a worker is missing."""
    return Purchase.objects.filter(state__in=[s.value for s in DRIVEN], due_at__lte=now).count()


def unsettled(states: Sequence[State]) -> int:
    """Return how many purchases are in one of these states."""
    return Purchase.objects.filter(state__in=[state.value for state in states]).count()


def _open() -> QuerySet[Purchase]:
    return Purchase.objects.exclude(state__in=[state.value for state in TERMINAL])
