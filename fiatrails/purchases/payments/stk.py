"""Asking a payer's phone to pay an intent (STK push), and telling the intent's timeline how that ended."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime

from django.db import transaction

from fiatrails.controls.modes import Flow, check
from fiatrails.engine.wakeup import notify
from fiatrails.kernel.errors import BadInput, Conflict, Unprocessable
from fiatrails.kernel.money import Money
from fiatrails.providers.core.models import ProviderRequest, RequestKind, RequestState
from fiatrails.providers.core.requests import new_reference
from fiatrails.providers.mpesa.callbacks import CURRENCY
from fiatrails.providers.mpesa.gateway import PROVIDER
from fiatrails.providers.mpesa.rows import OPEN_STATES
from fiatrails.purchases.intents import get_intent
from fiatrails.purchases.models import Intent
from fiatrails.purchases.states import State
from fiatrails.purchases.store import Step, record_steps

_PHONE = re.compile(r"(?:\+?254|0)?(?P<subscriber>[17][0-9]{8})", re.ASCII)


def start_stk_push(*, intent_id: str, phone: str, now: datetime) -> ProviderRequest:
    """Commits a push for what the intent costs; a worker sends it. One push per intent is live at a time.

    Raises NotFound, BadInput (phone), Conflict (`not_awaiting_payment`, `push_live`), Unprocessable when M-PESA
    cannot collect the price. A push that ended unpaid leaves the intent waiting, and another may be started.
    """
    check(Flow.CREATE_INTENT, now=now)
    payer = parse_phone(phone)
    get_intent(intent_id=intent_id)
    with transaction.atomic():
        # The intent's lock: two clicks at once must not both find no live push.
        intent = Intent.objects.select_for_update().get(intent_id=intent_id)
        _require_payable(intent, now)
        number = _require_no_live_push(intent) + 1
        push = _open(intent, payer, number, now)
        record_steps(
            [Step(intent.intent_id, intent.state, PROVIDER, f"asked {mask(payer)} to pay (push {number})")], now=now
        )
        notify()
    return push


def parse_phone(phone: str) -> str:
    """254 and nine digits that begin with 7 or 1, from any of the usual ways of writing it."""
    match = _PHONE.fullmatch(re.sub(r"[ -]", "", phone)) if isinstance(phone, str) else None
    if match is None:
        raise BadInput("malformed_phone", "phone must be a Kenyan mobile number such as 254712345678")
    return f"254{match['subscriber']}"


def mask(phone: str) -> str:
    """254712345678 -> 2547*****678: timelines are read by more people than need the number."""
    return f"{phone[:4]}*****{phone[-3:]}"


def account_reference(intent_id: str, number: int) -> str:
    """Twelve letters and digits, one for each push of an intent: the first 60 bits of
    SHA-256("<intent id>:<number>") in base 32. The payer sees it on the phone and the paybill's report of the payment
    carries it, which is how that report is recognised as the push's payment."""
    digest = hashlib.sha256(f"{intent_id}:{number}".encode()).digest()
    return base64.b32encode(digest)[:12].decode("ascii")


def _require_payable(intent: Intent, now: datetime) -> None:
    if intent.state != State.AWAITING_PAYMENT or now >= intent.expires_at:
        raise Conflict("not_awaiting_payment", f"the intent is {intent.state} and cannot be paid by a push")
    if intent.fiat_currency != CURRENCY or intent.fiat_expected % 100:
        raise Unprocessable("not_whole_shillings", "M-PESA collects whole Kenyan shillings only; pay by other means")


def _require_no_live_push(intent: Intent) -> int:
    """How many pushes there were. One that ran out of attempts (its dead letter is open) no longer blocks."""
    earlier = ProviderRequest.objects.filter(intent_id=intent.intent_id, kind=RequestKind.STK_PUSH)
    live = earlier.filter(state__in=OPEN_STATES, due_at__isnull=False).first()
    if live is not None:
        raise Conflict("push_live", "the payer's phone is being asked already; wait for the outcome")
    if earlier.filter(state=RequestState.SUCCEEDED).exists():
        raise Conflict("push_paid", "a push of this intent was paid; it is being credited")
    return earlier.count()


def _open(intent: Intent, payer: str, number: int, now: datetime) -> ProviderRequest:
    money = Money(intent.fiat_currency, intent.fiat_expected)
    return ProviderRequest.objects.create(
        provider=PROVIDER,
        kind=RequestKind.STK_PUSH,
        reference=new_reference(),
        dedupe_key=f"stk:{intent.intent_id}:{number}",
        account_reference=account_reference(intent.intent_id, number),
        intent_id=intent.intent_id,
        amount_minor=money.minor,
        currency=money.currency,
        details={"phone": payer, "txRef": intent.tx_ref, "number": number},
        created_at=now,
        due_at=now,
    )


def report_ended(*, now: datetime, limit: int = 100) -> int:
    """Writes how settled pushes ended to their intents' timelines, each once."""
    with transaction.atomic():
        ended = ProviderRequest.objects.select_for_update(skip_locked=True).filter(
            kind=RequestKind.STK_PUSH, noted_at__isnull=True, settled_at__isnull=False
        )
        pushes = list(ended.order_by("pk")[:limit])
        states = dict(
            Intent.objects.filter(intent_id__in=[p.intent_id for p in pushes]).values_list("intent_id", "state")
        )
        record_steps([_ended(push, states[str(push.intent_id)]) for push in pushes], now=now)
        ProviderRequest.objects.filter(pk__in=[push.pk for push in pushes]).update(noted_at=now)
    return len(pushes)


def _ended(push: ProviderRequest, state: str) -> Step:
    number, code = push.details["number"], push.result.get("code", "")
    if push.state == RequestState.SUCCEEDED:
        return Step(str(push.intent_id), state, PROVIDER, f"push {number} was paid")
    description = push.result.get("description", "")
    return Step(str(push.intent_id), state, PROVIDER, f"push {number} ended unpaid: {code} {description}".strip())
