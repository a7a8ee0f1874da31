"""Domain rows as JSON documents and tables: names of the public API, and what only operators see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fiatrails.cli.kit import amounts, render

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fiatrails.providers.core.models import Payment
    from fiatrails.purchases.models import Intent

_INTENT_TIMES = {
    "created_at": "createdAt",
    "expires_at": "expiresAt",
    "paid_at": "paidAt",
    "held_at": "heldAt",
    "executed_at": "executedAt",
    "refunded_at": "refundedAt",
    "due_at": "dueAt",
}


def intent_document(intent: Intent) -> dict[str, object]:
    """Return an intent."""
    from fiatrails.purchases.states import public_status

    return {
        "intentId": intent.intent_id,
        "txRef": intent.tx_ref,
        "status": public_status(intent.state),
        "state": intent.state,
        "hold": intent.hold or None,
        "reason": intent.reason or None,
        "client": intent.client,
        "user": intent.delivery.recipient,
        "amount": str(int(intent.delivery.amount)),
        "tokens": amounts.tokens(intent.delivery.amount),
        "countryCode": intent.delivery.asset,
        "expected": amounts.money(intent.fiat_expected, intent.fiat_currency),
        "paid": amounts.money(intent.fiat_paid, intent.fiat_currency),
        "txHash": intent.delivery.transaction,
        "blockNumber": intent.delivery.place,
        "attempts": intent.attempts,
        "lastError": intent.last_error or None,
        **{to: amounts.when(getattr(intent, name)) for name, to in _INTENT_TIMES.items()},
    }


def intent_fields(intent: Intent) -> RenderableType:
    """Lay an intent out, one line for each thing that there is to say."""
    return render.fields({name: value for name, value in intent_document(intent).items() if value != 0})


def intent_sentence(intent: Intent) -> str:
    """Return what a question about an intent names."""
    paid = amounts.money(intent.fiat_paid, intent.fiat_currency)
    return f"{intent.tx_ref} ({intent.state}, {amounts.tokens(intent.delivery.amount)} tokens, {paid} paid)"


def payment_document(event: Payment) -> dict[str, object]:
    """Return a payment that a provider reported; the phone is masked."""
    return {
        "id": event.pk,
        "provider": event.provider,
        "channel": event.channel,
        "receipt": event.receipt,
        "txRef": event.tx_ref,
        "paid": amounts.money(event.amount_minor, event.currency),
        "phone": amounts.masked_phone(event.phone),
        "state": event.state,
        "intentId": event.intent_id,
        "receivedAt": amounts.when(event.received_at),
        "lastError": event.last_error or None,
    }


def payments_table(paid: list[dict[str, object]]) -> RenderableType:
    """Lay payments out as a table."""
    columns = ("id", "receipt", "txRef", "paid", "phone", "state", "receivedAt")
    return render.table(columns, [[payment[name] for name in columns] for payment in paid])
