"""`fiatrails intent`: mint intents, from their creation to an operator's decision."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import amounts, render, runtime
from fiatrails.cli.kit.runtime import Actor, ExternalReference, Json, Reason, Yes
from fiatrails.cli.purchases import documents

if TYPE_CHECKING:
    from fiatrails.kernel.money import Money
    from fiatrails.purchases.models import Transition

CLIENT = "cli"

app = typer.Typer(help="Create, look at and decide about mint intents.", no_args_is_help=True)
Reference = Annotated[str, typer.Argument(metavar="INTENT", help="Intent id (0x...) or txRef.")]


@app.command("create")
def create(
    *,
    user: Annotated[str, typer.Option("--user", help="Recipient: 0x and 40 hex digits.")],
    amount: Annotated[str | None, typer.Option("--amount", help="Tokens, a decimal such as 100 or 10.5.")] = None,
    base_units: Annotated[
        str | None, typer.Option("--base-units", help="The same in base units (18 decimals), as the API takes it.")
    ] = None,
    country: Annotated[str, typer.Option("--country", help="Country code of the token.")] = "KES",
    tx_ref: Annotated[
        str | None, typer.Option("--tx-ref", help="The payer's reference. [default: a new one]", show_default=False)
    ] = None,
    fiat: Annotated[
        str | None, typer.Option("--fiat", help="What must be paid, e.g. 1500.00. [default: one unit per token]")
    ] = None,
    json: Json = False,
) -> None:
    """Create a mint intent that waits for its payment.

    \b
    Examples:
      fiatrails intent create --user 0x90F79bf6EB2c4f870365E785982E1f101E93b906 --amount 100
      fiatrails intent create --user 0x90F7... --base-units 100000000000000000000 --tx-ref ORDER-17
    """
    runtime.setup()
    from fiatrails.kernel.addresses import parse_address
    from fiatrails.kernel.references import parse_tx_ref
    from fiatrails.purchases.opening import NewPurchase, create_purchase

    request = NewPurchase(
        user=parse_address(user),
        amount=amounts.amount_of(tokens=amount, base_units=base_units),
        country_code=country,
        tx_ref=parse_tx_ref(tx_ref or f"CLI{secrets.token_hex(8).upper()}"),
        price=_price(fiat, country),
    )
    purchase = create_purchase(request=request, client=CLIENT, now=runtime.now())
    render.emit(json, documents.purchase_document(purchase), documents.purchase_fields(purchase))


@app.command("show")
def show(reference: Reference, json: Json = False) -> None:
    """Show one intent with what it waits for, its timeline, its payments and its ledger entries.

    \b
    Examples:
      fiatrails intent show ORDER-17
      fiatrails intent show 0x5e1f... --json | jq .timeline
    """
    runtime.setup()
    from fiatrails.ledger.queries import entry_keys
    from fiatrails.providers.core.queries import payments_of
    from fiatrails.purchases import queries, waiting

    found = queries.find_purchase(reference)
    behind = [documents.hold_document(hold) for hold in waiting.reasons(found, now=runtime.now())]
    steps = [_step(step) for step in queries.timeline(found.intent_id)]
    paid = [documents.payment_document(event) for event in payments_of(found.intent_id)]
    ledger = entry_keys(found.intent_id)
    whole = {
        **documents.purchase_document(found),
        "waitsFor": behind,
        "timeline": steps,
        "payments": paid,
        "ledger": ledger,
    }
    render.emit(
        json,
        whole,
        documents.purchase_fields(found),
        *([documents.holds_fields(behind)] if behind else []),
        render.table(("at", "state", "actor", "detail"), [list(step.values()) for step in steps]),
        documents.payments_table(paid),
        render.fields({"ledger": ", ".join(ledger)}),
    )


@app.command("list")
def list_(
    *,
    state: Annotated[list[str] | None, typer.Option("--state", help="Only these states; repeatable.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only this recipient.")] = None,
    client: Annotated[str | None, typer.Option("--client", help="Only this API client.")] = None,
    since: Annotated[str | None, typer.Option("--since", help='Created since, e.g. "1 hour ago".')] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many, the newest.")] = 50,
    json: Json = False,
) -> None:
    """List intents, newest first.

    \b
    Examples:
      fiatrails intent list --state held
      fiatrails intent list --since "2 days ago" --json | jq -r '.intents[].intentId'
    """
    runtime.setup()
    from fiatrails.kernel.addresses import parse_address
    from fiatrails.kernel.choices import parse_states
    from fiatrails.kernel.times import since as parse_since
    from fiatrails.purchases import queries
    from fiatrails.purchases.states import State

    moment = parse_since(since, now=runtime.now()) if since else None
    wanted = queries.PurchaseFilter(
        states=parse_states(state or (), State),
        user=parse_address(user) if user else None,
        client=client or None,
        since=moment,
    )
    found = queries.list_purchases(wanted, limit=limit)
    rows = [
        (
            each.intent_id,
            each.tx_ref,
            each.state,
            each.hold,
            amounts.tokens(each.delivery.amount),
            each.delivery.asset,
            amounts.when(each.created_at),
        )
        for each in found
    ]
    columns = ("intent", "txRef", "state", "hold", "tokens", "country", "created")
    render.emit(
        json,
        {"intents": [documents.purchase_document(each) for each in found]},
        render.table(columns, rows),
        f"{len(found)} intents",
    )


@app.command("accept")
def accept(reference: Reference, *, reason: Reason, yes: Yes = False, actor: Actor = "", json: Json = False) -> None:
    """Let a held intent go on; compliance is checked again and cannot be overridden.

    \b
    Examples:
      fiatrails intent accept ORDER-17 --reason "paid 10 KES too little, written off"
    """
    runtime.setup()
    from fiatrails.purchases import decisions, queries

    found = queries.find_purchase(reference)
    runtime.confirm(f"Accept {documents.purchase_sentence(found)}?", yes=yes)
    done = decisions.accept(intent_id=found.intent_id, actor=actor, reason=reason, now=runtime.now())
    render.emit(json, documents.purchase_document(done), documents.purchase_fields(done))


@app.command("refund")
def refund(
    reference: Reference,
    *,
    reason: Reason,
    external_reference: ExternalReference = "",
    yes: Yes = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Give the money of a paid or held intent back, through the provider's reversal.

    \b
    Examples:
      fiatrails intent refund ORDER-17 --reason "user no longer compliant"
      fiatrails intent refund ORDER-17 --reason "reversal refused" --external-reference BANK-4411
    """
    runtime.setup()
    from fiatrails.purchases import queries
    from fiatrails.purchases.payments import refunds

    found = queries.find_purchase(reference)
    how = f"record as paid back ({external_reference})" if external_reference else "refund through the provider"
    runtime.confirm(f"{how.capitalize()}: {documents.purchase_sentence(found)}?", yes=yes)
    done = refunds.refund(
        intent_id=found.intent_id, actor=actor, reason=reason, now=runtime.now(), external_reference=external_reference
    )
    render.emit(json, documents.purchase_document(done), documents.purchase_fields(done))


@app.command("cancel")
def cancel(reference: Reference, *, reason: Reason, yes: Yes = False, actor: Actor = "", json: Json = False) -> None:
    """End an intent that nobody has paid; a payment that still arrives holds it.

    \b
    Examples:
      fiatrails intent cancel ORDER-17 --reason "created by mistake" --yes
    """
    runtime.setup()
    from fiatrails.purchases import decisions, queries

    found = queries.find_purchase(reference)
    runtime.confirm(f"Cancel {documents.purchase_sentence(found)}?", yes=yes)
    done = decisions.cancel(intent_id=found.intent_id, actor=actor, reason=reason, now=runtime.now())
    render.emit(json, documents.purchase_document(done), documents.purchase_fields(done))


def _price(fiat: str | None, country_code: str) -> Money | None:
    from fiatrails.kernel.conf import profile
    from fiatrails.kernel.money import parse_money

    country = profile().country(country_code)
    return parse_money(fiat, country.currency) if fiat is not None and country is not None else None


def _step(step: Transition) -> dict[str, object]:
    return {"at": amounts.when(step.at), "state": step.state, "actor": step.actor, "detail": step.detail}
