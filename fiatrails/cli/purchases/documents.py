"""Domain rows as JSON documents and tables: names of the public API, and what only operators see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fiatrails.cli.kit import amounts, render

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fiatrails.chains.core.holds import ChainHold
    from fiatrails.providers.core.models import Payment
    from fiatrails.purchases.models import Purchase

_PURCHASE_TIMES = {
    "created_at": "createdAt",
    "expires_at": "expiresAt",
    "paid_at": "paidAt",
    "held_at": "heldAt",
    "executed_at": "executedAt",
    "refunded_at": "refundedAt",
    "due_at": "dueAt",
}


def purchase_document(purchase: Purchase) -> dict[str, object]:
    """Return a purchase, as the command line shows an intent."""
    from fiatrails.purchases.states import public_status

    return {
        "intentId": purchase.intent_id,
        "txRef": purchase.tx_ref,
        "status": public_status(purchase.state),
        "state": purchase.state,
        "hold": purchase.hold or None,
        "reason": purchase.reason or None,
        "client": purchase.client,
        "user": purchase.delivery.recipient,
        "amount": str(int(purchase.delivery.amount)),
        "tokens": amounts.tokens(purchase.delivery.amount),
        "countryCode": purchase.delivery.asset,
        "expected": amounts.money(purchase.fiat_expected, purchase.fiat_currency),
        "paid": amounts.money(purchase.fiat_paid, purchase.fiat_currency),
        "txHash": purchase.delivery.transaction,
        "blockNumber": purchase.delivery.place,
        "attempts": purchase.attempts,
        "lastError": purchase.last_error or None,
        **{to: amounts.when(getattr(purchase, name)) for name, to in _PURCHASE_TIMES.items()},
    }


def purchase_fields(purchase: Purchase) -> RenderableType:
    """Lay a purchase out, one line for each thing that there is to say."""
    return render.fields({name: value for name, value in purchase_document(purchase).items() if value != 0})


def purchase_sentence(purchase: Purchase) -> str:
    """Return what a question about a purchase names."""
    paid = amounts.money(purchase.fiat_paid, purchase.fiat_currency)
    return f"{purchase.tx_ref} ({purchase.state}, {amounts.tokens(purchase.delivery.amount)} tokens, {paid} paid)"


def hold_document(hold: ChainHold) -> dict[str, object]:
    """Return what holds mints back, with its figures and what to do."""
    return {
        "chain": hold.chain,
        "address": hold.address,
        "role": hold.role,
        "reason": hold.reason.value,
        "detail": hold.detail,
        "since": amounts.when(hold.since),
    }


def holds_fields(holds: list[dict[str, object]]) -> RenderableType:
    """Lay out what an intent waits for."""
    return render.fields({f"waits for {hold['role']}": f"{hold['detail']} (since {hold['since']})" for hold in holds})


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
