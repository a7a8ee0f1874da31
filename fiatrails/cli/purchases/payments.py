"""`fiatrails payments`: money that providers reported, above all money that found no intent."""

from __future__ import annotations

from typing import Annotated

import typer

from fiatrails.cli.kit import amounts, render, runtime
from fiatrails.cli.kit.runtime import Actor, ExternalReference, Json, Reason, Yes
from fiatrails.cli.purchases import documents

app = typer.Typer(help="Money that providers reported: what waits, and how it goes back.", no_args_is_help=True)


@app.command("list")
def list_(
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            help="Only these states; repeatable. [default: what still waits for something]",
            show_default=False,
        ),
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help='Received since, e.g. "1 hour ago".')] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many, the newest.")] = 50,
    json: Json = False,
) -> None:
    """List provider events; by default those that wait: unconfirmed, unmatched, surplus, going back.

    \b
    Examples:
      fiatrails payments list
      fiatrails payments list --state applied --since "1 day ago" --json
    """
    runtime.setup()
    from fiatrails.kernel.times import since as parse_since
    from fiatrails.providers.core import queries

    moment = parse_since(since, now=runtime.now()) if since else None
    found = queries.list_payments(states=state or queries.WAITING, since=moment, limit=limit)
    paid = [documents.payment_document(event) for event in found]
    render.emit(json, {"payments": paid}, documents.payments_table(paid), f"{len(paid)} payments")


@app.command("refund")
def refund(
    reference: Annotated[str, typer.Argument(metavar="PAYMENT", help="Receipt, or the id that `payments list` shows.")],
    *,
    reason: Reason,
    external_reference: ExternalReference = "",
    yes: Yes = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Give back an unmatched or surplus payment. (`intent refund` is for money that an intent holds.)

    \b
    Examples:
      fiatrails payments refund SGR7XK21QP --reason "paid twice"
    """
    runtime.setup()
    from fiatrails.providers.core import queries
    from fiatrails.purchases.payments.surplus import refund_event

    event = queries.find_payment(reference)
    what = f"{amounts.money(event.amount_minor, event.currency)} ({event.state}, txRef {event.tx_ref})"
    runtime.confirm(f"Give back {what}?", yes=yes)
    done = refund_event(
        event_id=event.pk, actor=actor, reason=reason, now=runtime.now(), external_reference=external_reference
    )
    paid = documents.payment_document(done)
    render.emit(json, paid, render.fields(paid))
