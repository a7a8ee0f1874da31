"""What M-PESA's codes mean. Pure; a code that is not listed decides nothing, it is asked about again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import Money
from fiatrails.providers.mpesa import fields

PENDING_ERROR = "500.001.1001"
SPIKE_ARREST = "500.003.02"
BUSY = "26"
_PENDING_RESULT = "4999"
# Results after which the prompt is gone and nobody paid. 17 and 26 too: that attempt is over, another may be made.
_UNPAID = frozenset({"1", "17", "26", "1001", "1019", "1025", "1032", "1037", "2001", "2040", "8006", "9999"})
# Results that say for certain that money did not come back: no such payment, or not with these rights. R000001
# (already reversed) is not among them: the money did come back, so the receipt is looked at.
_REVERSAL_REFUSED = frozenset({"1", "11", "2001", "2040", "8006", "R000002"})
# 2032 is what a status query answers for an unknown receipt, by community accounts.
_NO_SUCH_PAYMENT = frozenset({"R000002", "2032"})
_NOT_PAID_WORDS = ("failed", "cancelled", "canceled", "declined", "expired", "rejected")


class PushStatus(StrEnum):
    """PENDING: ask again. UNCLEAR: a code that nobody knows."""

    PAID = "paid"
    UNPAID = "unpaid"
    PENDING = "pending"
    UNCLEAR = "unclear"


def push_status(code: str) -> PushStatus:
    """Return what a ResultCode says about a push."""
    if code == "0":
        return PushStatus.PAID
    if code == _PENDING_RESULT:
        return PushStatus.PENDING
    return PushStatus.UNPAID if code in _UNPAID else PushStatus.UNCLEAR


def refuses_reversal(code: str) -> bool:
    """Return whether the code says for certain that nothing was reversed."""
    return code in _REVERSAL_REFUSED


class Standing(StrEnum):
    """Where a payment stands at the provider. UNCLEAR: it did not say, or said it in words nobody knows."""

    COMPLETED = "completed"
    REVERSED = "reversed"
    NOT_PAID = "not_paid"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Transaction:
    """A payment as a status query describes it. `paid` is set when it is COMPLETED."""

    standing: Standing
    paid: Money | None
    why: str


def transaction(
    code: str, parameters: Mapping[str, str], *, receipt: str, shortcode: str, currency: str
) -> Transaction:
    """Return what the result of a status query on `receipt` says.

    Money that we sent (a reversal, a payout) has a receipt and a completed status as well: only what came in to our
    own short code counts as paid.
    """
    if code != "0":
        standing = Standing.NOT_PAID if code in _NO_SUCH_PAYMENT else Standing.UNCLEAR
        return Transaction(standing, None, f"the status query ended with code {code}")
    found = parameters.get("ReceiptNo", "").upper()
    if found and found != receipt:
        return Transaction(Standing.UNCLEAR, None, "the answer is about another receipt")
    if _party(parameters.get("DebitPartyName", "")) == shortcode:
        return Transaction(Standing.NOT_PAID, None, "this money went out of our account")
    if _party(parameters.get("CreditPartyName", "")) not in ("", shortcode):
        return Transaction(Standing.NOT_PAID, None, "this money went to somebody else")
    return _by_status(parameters, currency)


def _party(name: str) -> str:
    """`600000 - Some Shop` -> `600000`; empty when it does not begin with a number."""
    head = name.split("-", 1)[0].strip()
    return head if head.isascii() and head.isdigit() else ""


def _by_status(parameters: Mapping[str, str], currency: str) -> Transaction:
    status = parameters.get("TransactionStatus", "").lower()
    if "revers" in status:
        return Transaction(Standing.REVERSED, None, "the payment was reversed")
    if status in _NOT_PAID_WORDS:
        return Transaction(Standing.NOT_PAID, None, f"the payment is {status}")
    if status != "completed":
        return Transaction(Standing.UNCLEAR, None, f"the payment is {status or 'of no stated status'}")
    try:
        return Transaction(Standing.COMPLETED, fields.amount(parameters.get("Amount"), currency), "completed")
    except BadInput:
        return Transaction(Standing.UNCLEAR, None, "the answer states no amount")
