"""What became of a reversal. The state of the receipt decides: reversed, or not (yet).

M-PESA reverses a receipt once at most, but a second request still must not be sent while the first may be under way,
and the refusal of a repeated request ("already reversed") is not a failure. So the receipt is looked at whenever
something is unclear.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.providers.core.models import Payment, ProviderRequest, RequestState
from fiatrails.providers.core.requests import OPEN_STATES, finish, update
from fiatrails.providers.mpesa import codes, statuses
from fiatrails.providers.mpesa.codes import Standing

# A receipt that still stands is only evidence once the request has had time to be carried out.
_SETTLE = timedelta(seconds=60)
# An acknowledged request may wait in M-PESA's queue for this long.
_QUEUED = timedelta(minutes=10)
_PROBE_WAIT = timedelta(seconds=2)


def ask(row: ProviderRequest, *, now: datetime) -> None:
    """Make one step for a claimed reversal that was sent and has no result."""
    probe = _probe(row)
    if probe is None:
        _open_probe(row, now)
    elif statuses.is_open(probe):
        update(row, due_at=now + _PROBE_WAIT, lease_until=None)
    else:
        _judge(row, probe, now)


def _judge(row: ProviderRequest, probe: ProviderRequest, now: datetime) -> None:
    seen = statuses.read(probe)
    refused = row.details.get("refused")
    # The next question, if there is one, is a new one.
    row.details["probe"] = int(row.details.get("probe", 0)) + 1
    if seen.standing is Standing.REVERSED:
        finish(row, RequestState.SUCCEEDED, {"code": "0", "description": seen.why, "asked": True}, now=now)
    elif seen.standing is not Standing.COMPLETED:
        update(row, details=row.details)
        raise OutsideUnknown("payment_unclear", seen.why)
    elif refused:
        finish(row, RequestState.FAILED, refused, now=now)
    elif now >= _may_resend_at(row, probe):
        update(row, state=RequestState.CREATED, due_at=now, lease_until=None, details=row.details)
    else:
        update(row, due_at=_may_resend_at(row, probe), lease_until=None, details=row.details)


def _may_resend_at(row: ProviderRequest, probe: ProviderRequest) -> datetime:
    """Not before the request has had its time; and if the answer is older than that, it is asked again first."""
    patience = _QUEUED if row.state == RequestState.ACCEPTED else _SETTLE
    ready = (row.sent_at or row.created_at) + patience
    asked_at = probe.created_at
    return ready if asked_at < ready else asked_at


def _probe(row: ProviderRequest) -> ProviderRequest | None:
    return ProviderRequest.objects.filter(dedupe_key=_probe_key(row)).first()


def _probe_key(row: ProviderRequest) -> str:
    return f"{_purpose(row)}:{row.payment_id}:{int(row.details.get('probe', 0))}"


def _purpose(row: ProviderRequest) -> str:
    return f"probe-{row.pk}"


def _open_probe(row: ProviderRequest, now: datetime) -> None:
    with transaction.atomic():
        # Inbox rows are locked before requests everywhere, and the new row will refer to this one.
        event = Payment.objects.select_for_update().get(pk=int(row.payment_id or 0))
        number = int(row.details.get("probe", 0))
        if update(row, due_at=now + _PROBE_WAIT, lease_until=None):
            statuses.open_status_query(event=event, purpose=_purpose(row), number=number, now=now)


def wake(probe: ProviderRequest, *, now: datetime) -> None:
    """Make the reversal that asked due again."""
    purpose = str(probe.details.get("purpose", ""))
    if purpose.startswith("probe-"):
        pk = int(purpose.removeprefix("probe-"))
        ProviderRequest.objects.filter(pk=pk, state__in=OPEN_STATES).update(due_at=now)


def refused(row: ProviderRequest, code: str, message: str, *, now: datetime) -> None:
    """Settle a reversal that the provider turned down. That is believed at once when the code decides and this was the
    only copy; otherwise the receipt is looked at before the money is called not returned."""
    result = {"code": code, "description": message}
    definite = codes.refuses_reversal(code) and int(row.details.get("sends", 1)) <= 1
    if definite:
        finish(row, RequestState.FAILED, result, now=now)
    else:
        row.details["refused"] = result
        update(row, state=RequestState.UNKNOWN, due_at=now, lease_until=None, details=row.details)
