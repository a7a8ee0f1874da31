"""Asking a payer's phone to pay (STK push)."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

from fiatrails.kernel.errors import BadInput, Unprocessable
from fiatrails.kernel.money import Money
from fiatrails.providers.core.models import ProviderRequest, RequestKind
from fiatrails.providers.core.requests import new_reference
from fiatrails.providers.mpesa.callbacks import CURRENCY
from fiatrails.providers.mpesa.gateway import PROVIDER

_PHONE = re.compile(r"(?:\+?254|0)?(?P<subscriber>[17][0-9]{8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Push:
    """A phone to be asked, as 254 and nine digits (`parse_phone`)."""

    phone: str
    provider: str = PROVIDER

    def require_possible(self, money: Money) -> None:
        """Raise Unprocessable unless `money` is whole Kenyan shillings."""
        if money.currency != CURRENCY or money.minor % 100:
            raise Unprocessable(
                "not_whole_shillings", "M-PESA collects whole Kenyan shillings only; pay by other means"
            )

    def open(self, *, intent_id: str, tx_ref: str, money: Money, number: int, now: datetime) -> ProviderRequest:
        """Insert the push."""
        return ProviderRequest.objects.create(
            provider=PROVIDER,
            kind=RequestKind.CHARGE,
            reference=new_reference(),
            dedupe_key=f"stk:{intent_id}:{number}",
            account_reference=account_reference(intent_id, number),
            intent_id=intent_id,
            amount_minor=money.minor,
            currency=money.currency,
            details={"phone": self.phone, "txRef": tx_ref, "number": number},
            created_at=now,
            due_at=now,
        )

    def asked(self, number: int) -> str:
        """Return the line of the intent's timeline."""
        return f"asked {mask(self.phone)} to pay (push {number})"


def parse_phone(phone: str) -> str:
    """Return 254 and nine digits that begin with 7 or 1, from any of the usual ways of writing it."""
    match = _PHONE.fullmatch(re.sub(r"[ -]", "", phone)) if isinstance(phone, str) else None
    if match is None:
        raise BadInput("malformed_phone", "phone must be a Kenyan mobile number such as 254712345678")
    return f"254{match['subscriber']}"


def mask(phone: str) -> str:
    """Return 2547*****678 for 254712345678: timelines are read by more people than need the number."""
    return f"{phone[:4]}*****{phone[-3:]}"


def account_reference(intent_id: str, number: int) -> str:
    """Return twelve letters and digits, one for each push of an intent: the first 60 bits of
    SHA-256("<intent id>:<number>") in base 32. The payer sees it on the phone and the paybill's report of the payment
    carries it, which is how that report is recognised as the push's payment."""
    digest = hashlib.sha256(f"{intent_id}:{number}".encode()).digest()
    return base64.b32encode(digest)[:12].decode("ascii")
