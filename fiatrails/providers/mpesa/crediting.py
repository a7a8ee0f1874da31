"""Counting a confirmed native payment, once, whatever reported it.

One M-PESA payment can be reported three ways: by the callback of the push (with the receipt), by a query of ours
(without one) and by the paybill's C2B report (with the receipt, and the push's account reference). A push counts
through one event (`push.payment`), a receipt through one event (`credits`), and the two are joined when the second
report names what the first could not. Everybody who counts a push holds its intent's lock first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Q, QuerySet

from fiatrails.kernel.errors import StaleFence
from fiatrails.kernel.money import Money
from fiatrails.providers.core.models import Payment, PaymentState, ProviderRequest, RequestKind, RequestState
from fiatrails.providers.core.purchases import Payable, Purchases
from fiatrails.providers.mpesa import callbacks, statuses
from fiatrails.providers.mpesa.codes import Standing
from fiatrails.providers.mpesa.pushes import RAN_OUT


class Counted(StrEnum):
    """What became of a report. DUPLICATE: its payment was counted before. ASKED: another receipt has to be looked at
    first. UNCLEAR: the provider does not say whether that one is real."""

    COUNTED = "counted"
    DUPLICATE = "duplicate"
    ASKED = "asked"
    UNCLEAR = "unclear"


def lock_events(event: Payment, push: ProviderRequest | None) -> tuple[Payment, Mapping[int, Payment]]:
    """Lock the claimed event and those that may stand for the same payment, in id order; StaleFence when the event was
    taken over or settled meanwhile."""
    wanted = Q(pk=event.pk)
    if event.receipt:
        wanted |= Q(provider=event.provider, receipt=event.receipt, credits=True)
    if push is not None and push.payment_id is not None:
        wanted |= Q(pk=push.payment_id)
    rows = {row.pk: row for row in Payment.objects.select_for_update().filter(wanted).order_by("pk")}
    mine = rows[event.pk]
    if mine.fence != event.fence or mine.state != PaymentState.RECEIVED:
        raise StaleFence(f"inbox event {event.pk}")
    return mine, rows


def count(
    mine: Payment,
    rows: Mapping[int, Payment],
    *,
    payable: Payable | None,
    push: ProviderRequest | None,
    money: Money,
    verified: bool,
    purchases: Purchases,
    now: datetime,
) -> Counted:
    """Count the locked event, or join it to the event that was counted for the same payment.

    `verified`: the provider was asked about this very receipt. A receipt that only a callback names is believed for
    the push it belongs to, and only as long as nothing contradicts it.
    """
    holder = next((row for row in rows.values() if row.credits and mine.receipt and row.receipt == mine.receipt), None)
    counted = rows.get(push.payment_id) if push is not None and push.payment_id is not None else None
    if holder is not None:
        _link(push, holder, money)
        return _duplicate(mine, holder, purchases, now)
    if counted is not None and _same_payment(mine, counted, money):
        _name_receipt(counted, mine.receipt)
        return _duplicate(mine, counted, purchases, now)
    if counted is not None and not verified:
        return _ask(mine, mine, now)
    if counted is not None and counted.channel in (callbacks.STK, callbacks.STK_POLL):
        return _after_checking(mine, counted, payable, money, purchases=purchases, now=now)
    purchases.count(mine, payable, money, now=now)
    _link(push, mine, money)
    return Counted.COUNTED


def _same_payment(mine: Payment, counted: Payment, money: Money) -> bool:
    """Without two receipts to compare, reports of one push in one amount are one payment."""
    return (mine.receipt is None or counted.receipt is None) and counted.amount_minor == money.minor


def _name_receipt(counted: Payment, receipt: str | None) -> None:
    if receipt is not None:
        Payment.objects.filter(pk=counted.pk).update(receipt=receipt)


def _after_checking(
    mine: Payment,
    counted: Payment,
    payable: Payable | None,
    money: Money,
    *,
    purchases: Purchases,
    now: datetime,
) -> Counted:
    """Two receipts for one push, ours confirmed by the provider: is the one that the callback named a real payment?
    If so there were two payments; if not the callback was forged and ours is the push's payment."""
    query = latest_query(counted)
    if query is None:
        return _ask(mine, counted, now)
    if statuses.is_open(query):
        return _wait(mine, now)
    standing = statuses.read(query).standing
    if standing is Standing.UNCLEAR:
        return _ask(mine, counted, now) if is_used_up(query, mine) else Counted.UNCLEAR
    if standing is Standing.NOT_PAID:
        _name_receipt(counted, mine.receipt)
        return _duplicate(mine, counted, purchases, now)
    purchases.count(mine, payable, money, now=now)
    return Counted.COUNTED


def latest_query(event: Payment) -> ProviderRequest | None:
    """Return the last question about the event's receipt."""
    return _confirming(event).order_by("-pk").first()


def is_used_up(query: ProviderRequest, asker: Payment) -> bool:
    """Return whether the asker's earlier attempt used the query up: an unclear answer counts once, then it is asked
    anew."""
    return bool(query.details.get("attempt") != asker.attempts)


def use_up_queries(event_id: int) -> None:
    """Mark what was asked so far as used up, so that nothing of it counts for the next attempt."""
    for query in ProviderRequest.objects.filter(kind=RequestKind.QUERY, payment_id=event_id):
        query.details["attempt"] = None
        query.save(update_fields=["details"])


def _confirming(event: Payment) -> QuerySet[ProviderRequest]:
    return ProviderRequest.objects.filter(
        kind=RequestKind.QUERY, payment=event, details__purpose="confirm", details__receipt=event.receipt
    )


def _ask(mine: Payment, about: Payment, now: datetime) -> Counted:
    number = _confirming(about).count()
    statuses.open_status_query(event=about, purpose="confirm", number=number, attempt=mine.attempts, now=now)
    return _wait(mine, now)


def ask_about(mine: Payment, now: datetime) -> Counted:
    """Open a status query on the locked event's receipt; the event goes on when it is answered."""
    return _ask(mine, mine, now)


def _wait(mine: Payment, now: datetime) -> Counted:
    # The answer wakes the event; this is for an answer that was lost.
    _save(mine, due_at=now + timedelta(seconds=3), lease_until=None)
    return Counted.ASKED


def _link(push: ProviderRequest | None, event: Payment, money: Money) -> None:
    """Let the event stand for the push's payment from now on, unless the push is known to have been unpaid."""
    if push is None or push.payment_id is not None or push.amount_minor != money.minor:
        return
    if push.state == RequestState.FAILED and push.result.get("code") != RAN_OUT:
        return
    ProviderRequest.objects.filter(pk=push.pk).update(payment=event)


def _duplicate(mine: Payment, first: Payment, purchases: Purchases, now: datetime) -> Counted:
    """Of the reports of one payment only the paybill's has the payer's name, whichever is counted."""
    if first.state == PaymentState.APPLIED:
        purchases.name_payer(mine.payer_name, first, now=now)
    _save(mine, state=PaymentState.DUPLICATE, intent_id=first.intent_id, due_at=None, lease_until=None)
    return Counted.DUPLICATE


def _save(event: Payment, **values: object) -> None:
    for name, value in values.items():
        setattr(event, name, value)
    event.save(update_fields=list(values))
