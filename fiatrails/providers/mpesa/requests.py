"""Driving what we asked of M-PESA to an end: sent, acknowledged, asked about, settled.

A request is UNKNOWN, committed, before its bytes leave. Whoever finds it so (after a crash, a lost reply, a lapsed
lease) asks the provider what became of it and never sends it again blindly. Only a code that decides makes FAILED.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F

from fiatrails.controls.modes import Flow
from fiatrails.engine import queue
from fiatrails.engine.dead_letters import Work
from fiatrails.engine.queue import Queue
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.backoff import delay
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import BadInput, Misconfigured, OutsideUnknown
from fiatrails.kernel.money import Money
from fiatrails.providers.core import alarms
from fiatrails.providers.core.models import Payment, ProviderRequest, RequestKind, RequestState
from fiatrails.providers.core.requests import OPEN_STATES, finish, update
from fiatrails.providers.mpesa import codes, pushes, reversals
from fiatrails.providers.mpesa.answers import Accepted, Refused, Unknown
from fiatrails.providers.mpesa.callbacks import QueueTimeout, Result
from fiatrails.providers.mpesa.daraja import Daraja
from fiatrails.providers.mpesa.gateway import PROVIDER
from fiatrails.providers.mpesa.statuses import RESULT_TIMEOUT, STATUS_SENDS
from fiatrails.providers.mpesa.tools import Tools

log = structlog.get_logger(__name__)
# How long an acknowledged request may take before we ask: a push is answered by a person at a phone.
_PATIENCE = {
    RequestKind.CHARGE: timedelta(seconds=15),
    RequestKind.QUERY: RESULT_TIMEOUT,
    RequestKind.REFUND: RESULT_TIMEOUT,
}
# What M-PESA calls them, in dead letters.
_WORDS = {
    RequestKind.CHARGE: "stk_push",
    RequestKind.QUERY: "status_query",
    RequestKind.REFUND: "reversal",
}
_AFTER_TIMEOUT = timedelta(seconds=2)


def drive_due(*, tools: Tools, limit: int = 20) -> int:
    """Make one pass over the due requests; returns how many were claimed. Safe in any number of processes."""
    return queue.run(REQUESTS, tools, clock=tools.clock, limit=limit)


def _drive(rows: Sequence[ProviderRequest], tools: Tools) -> None:
    for row in rows:
        if row.state == RequestState.CREATED or row.kind == RequestKind.QUERY:
            _send(row, tools.clock, tools.client)
        elif row.kind == RequestKind.CHARGE:
            pushes.ask(row, clock=tools.clock, client=tools.client)
        else:
            reversals.ask(row, now=tools.clock.now())


def _send(row: ProviderRequest, clock: Clock, client: Daraja) -> None:
    """Send a request. A status query changes nothing at the provider, so it alone may be sent again without asking."""
    now = clock.now()
    sends = int(row.details.get("sends", 0)) + 1
    if row.kind == RequestKind.QUERY and sends > STATUS_SENDS:
        finish(row, RequestState.FAILED, {"code": "no_answer"}, now=now)
        return
    # Before the bytes leave, and with a lease of its own: the batch may have used up the first one.
    lease = now + timedelta(seconds=profile().timeouts.lease_s)
    details = {**row.details, "sends": sends}
    if not update(row, state=RequestState.UNKNOWN, sent_at=now, lease_until=lease, details=details):
        return
    try:
        answer = _call(row, client)
    except (BadInput, Misconfigured) as error:
        # Refused by ourselves, before anything was sent; a configuration can be put right.
        answer = Refused(error.code, error.message, later=isinstance(error, Misconfigured))
    _record(row, answer, clock.now())


def _call(row: ProviderRequest, client: Daraja) -> Accepted | Refused | Unknown:
    if row.kind == RequestKind.QUERY:
        return client.transaction_status(receipt=row.details["receipt"], reference=row.reference)
    money = Money(row.currency, row.amount_minor)
    if row.kind == RequestKind.REFUND:
        return client.reversal(receipt=row.details["receipt"], amount=money, reference=row.reference)
    return client.stk_push(
        amount=money,
        phone=row.details["phone"],
        account_reference=row.account_reference,
        description="Payment",
        callback_path=f"stk/{row.reference}",
    )


def _record(row: ProviderRequest, answer: Accepted | Refused | Unknown, now: datetime) -> None:
    """Record the acknowledgement. A result or a callback may have overtaken it: the row is then no longer ours, and
    complete."""
    if isinstance(answer, Accepted):
        due = now + _PATIENCE[RequestKind(row.kind)]
        found: dict[str, object] = {"state": RequestState.ACCEPTED, "provider_id": answer.provider_id}
        update(row, **found, due_at=due, lease_until=None, last_error="")
    elif isinstance(answer, Unknown):
        log.warning("mpesa.unknown", kind=row.kind, reference_id=row.pk, why=answer.why)
        update(row, due_at=_ask_at(row, now), lease_until=None, last_error=answer.why)
    elif answer.later:
        # Certainly not taken: back to the start, nothing to ask about.
        row.details["sends"] = int(row.details["sends"]) - 1
        update(row, state=RequestState.CREATED, details=row.details)
        raise OutsideUnknown("not_taken", answer.message)
    elif row.kind == RequestKind.REFUND:
        reversals.refused(row, answer.code, answer.message, now=now)
    else:
        finish(row, RequestState.FAILED, {"code": answer.code, "description": answer.message}, now=now)


def _ask_at(row: ProviderRequest, now: datetime) -> datetime:
    """Return when to ask about a request. A push whose reply was lost has no id to ask by: its callback brings one, or
    it runs out."""
    if row.kind == RequestKind.CHARGE:
        return now + pushes.PUSH_LIFETIME
    return now + max(delay(row.attempts + 1, profile().retry), timedelta(seconds=1))


def settle_result(*, reference: str, parsed: Result | QueueTimeout, now: datetime) -> bool:
    """Apply what came to the result or timeout address of `reference`; False when nothing of ours has it.

    The result of a settled request changes nothing, except that a reversal thought refused may turn out to be done.
    """
    with transaction.atomic():
        row = ProviderRequest.objects.filter(reference=reference, provider="mpesa").first()
        if row is None or row.kind == RequestKind.CHARGE:
            return False
        row = _take_over(row)
        if row.state in OPEN_STATES:
            _settle_open(row, parsed, now)
        elif isinstance(parsed, Result) and row.state == RequestState.FAILED:
            _settle_late(row, parsed, now)
    return True


def _take_over(row: ProviderRequest) -> ProviderRequest:
    """Locks the row (inbox rows come before requests everywhere) and voids whatever a worker still wants to write."""
    if row.payment_id is not None:
        Payment.objects.select_for_update().filter(pk=row.payment_id).first()
    locked = ProviderRequest.objects.select_for_update().get(pk=row.pk)
    ProviderRequest.objects.filter(pk=row.pk).update(fence=F("fence") + 1)
    locked.fence += 1
    return locked


def _settle_open(row: ProviderRequest, parsed: Result | QueueTimeout, now: datetime) -> None:
    if isinstance(parsed, QueueTimeout):
        # Not a failure: it may still be carried out, so it is asked about.
        if row.state != RequestState.CREATED:
            _ask_soon(row, "queue timeout", now)
    elif row.kind == RequestKind.QUERY:
        finish(row, RequestState.SUCCEEDED, _stored(parsed), now=now)
        reversals.wake(row, now=now)
    elif parsed.code == "0":
        finish(row, RequestState.SUCCEEDED, _stored(parsed), now=now)
    elif parsed.code == codes.BUSY:
        _ask_soon(row, "M-PESA is busy", now)
    else:
        reversals.refused(row, parsed.code, parsed.description, now=now)


def _ask_soon(row: ProviderRequest, why: str, now: datetime) -> None:
    update(row, state=RequestState.UNKNOWN, due_at=now + _AFTER_TIMEOUT, lease_until=None, last_error=why)


def _settle_late(row: ProviderRequest, parsed: Result, now: datetime) -> None:
    if row.kind == RequestKind.QUERY:
        finish(row, RequestState.SUCCEEDED, _stored(parsed), now=now)
    elif parsed.code == "0":
        others = ProviderRequest.objects.filter(payment_id=row.payment_id, kind=row.kind)
        # A newer reversal of the receipt will be refused as a repetition, look at the receipt, and find it reversed.
        if not others.exclude(state=RequestState.FAILED).exists():
            finish(row, RequestState.SUCCEEDED, _stored(parsed), now=now)


def _stored(parsed: Result) -> dict[str, object]:
    return {
        "code": parsed.code,
        "description": parsed.description,
        "transactionId": parsed.transaction_id,
        "parameters": dict(parsed.parameters),
    }


def retry_request(*, request_id: int, now: datetime) -> None:
    """Set a request that ran out of attempts going again (replay of its dead letter, whose payload names it)."""
    rows = ProviderRequest.objects.filter(pk=request_id, state__in=OPEN_STATES)
    if rows.update(due_at=now, attempts=0, lease_until=None):
        notify()


REQUESTS: Queue[ProviderRequest, Tools] = Queue(
    name="mpesa.requests",
    model=ProviderRequest,
    condition="AND provider = 'mpesa' AND state IN ('created', 'unknown', 'accepted')",
    step=_drive,
    work=lambda row: Work(
        f"{PROVIDER}:{_WORDS[RequestKind(row.kind)]}",
        row.intent_id or alarms.subject_of(row.payment_id),
        {"requestId": row.pk, "state": str(row.state)},
    ),
    metric="provider_call",
    flow=Flow.DRIVE_REQUEST,
    scope=lambda: PROVIDER,
    limit=20,
    one_by_one=True,
    shortest_pause=timedelta(milliseconds=200),
)
