"""What the commands read and nothing else asks for in this form. Import after `runtime.setup()`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import Sum

from fiatrails.controls.models import Mode
from fiatrails.kernel.addresses import parse_address, parse_word
from fiatrails.kernel.errors import BadInput, NotFound
from fiatrails.ledger.models import Entry
from fiatrails.providers.core.models import Payment, PaymentState
from fiatrails.purchases.intents import get_intent
from fiatrails.purchases.models import Intent, Transition
from fiatrails.purchases.states import State


def find_intent(reference: str) -> Intent:
    """The intent with this id or this txRef; NotFound when there is neither."""
    intent = Intent.objects.filter(tx_ref=reference).first()
    if intent is not None:
        return intent
    if not reference.startswith("0x"):
        raise NotFound(
            "intent_not_found", f"no intent with txRef {reference[:128]!r}; `fiatrails intent list` shows them"
        )
    return get_intent(intent_id=parse_word(reference, field="intent id"))


def list_intents(
    *, states: Collection[str], user: str | None, client: str | None, since: datetime | None, limit: int
) -> list[Intent]:
    """The newest intents that match."""
    rows = Intent.objects.order_by("-id")
    if states:
        rows = rows.filter(state__in=_known(states, State))
    if user:
        rows = rows.filter(user=parse_address(user))
    if client:
        rows = rows.filter(client=client)
    if since:
        rows = rows.filter(created_at__gte=since)
    return list(rows[:limit])


def timeline(intent: Intent) -> list[Transition]:
    """Every step of an intent, oldest first."""
    return list(Transition.objects.filter(intent_id=intent.intent_id).order_by("id"))


def payments_of(intent: Intent) -> list[Payment]:
    """Everything that providers reported for an intent."""
    return list(Payment.objects.filter(intent_id=intent.intent_id).order_by("pk"))


def list_payments(*, states: Collection[str], since: datetime | None, limit: int) -> list[Payment]:
    """The newest provider events in these states."""
    rows = Payment.objects.filter(state__in=_known(states, PaymentState)).order_by("-pk")
    if since:
        rows = rows.filter(event__received_at__gte=since)
    return list(rows.select_related("event").defer("event__raw")[:limit])


def find_payment(reference: str) -> Payment:
    """The event with this number, or the one that counts for this receipt; NotFound when there is neither."""
    rows = Payment.objects.order_by("-credits", "pk")
    found = rows.filter(receipt=reference.upper()).first()
    if found is None and reference.isdecimal():
        found = rows.filter(pk=int(reference)).first()
    if found is None:
        raise NotFound("payment_not_found", f"no payment {reference[:64]!r}; `fiatrails payments list` shows them")
    return found


def paid_by_currency(intent_ids: Collection[str]) -> dict[str, int]:
    """Minor units that were paid for these intents."""
    rows = Intent.objects.filter(intent_id__in=intent_ids).values("fiat_currency").annotate(paid=Sum("fiat_paid"))
    return {row["fiat_currency"]: row["paid"] or 0 for row in rows.order_by("fiat_currency")}


def ledger_keys(intent: Intent) -> list[str]:
    """Keys of the ledger entries about an intent, in order."""
    return list(Entry.objects.filter(reference=intent.intent_id).order_by("id").values_list("key", flat=True))


def modes_set() -> dict[tuple[str, str], Mode]:
    """The stored switches by name and scope, also those that are off."""
    return {(mode.name, mode.scope): mode for mode in Mode.objects.all()}


def _known(given: Collection[str], kinds: type[State] | type[PaymentState]) -> list[str]:
    names = [kind.value for kind in kinds]
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise BadInput("unknown_state", f"unknown state {', '.join(unknown)}; known: {', '.join(names)}")
    return list(given)
