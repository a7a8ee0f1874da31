"""`fiatrails mpesa`: payers, simulated or asked."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import amounts, render, runtime
from fiatrails.cli.kit.exits import Failure
from fiatrails.cli.kit.runtime import Actor, Json, Yes
from fiatrails.kernel.errors import BadInput, NotFound

if TYPE_CHECKING:
    from fiatrails.purchases.models import Purchase

app = typer.Typer(help="M-PESA payers: simulated ones, and prompts on real phones.", no_args_is_help=True)


@app.callback()
def mpesa() -> None:
    """Simulate M-PESA payers, or prompt them on real phones."""


@app.command("simulate")
def simulate(
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="txRef or intent id; an unknown txRef is allowed.")
    ],
    *,
    amount: Annotated[
        str | None, typer.Option("--amount", help="Shillings, e.g. 1500.00. [default: what the intent expects]")
    ] = None,
    phone: Annotated[str, typer.Option("--phone", help="Who pays: 2547XXXXXXXX.")] = amounts.SANDBOX_PHONE,
    receipt: Annotated[
        str | None, typer.Option("--receipt", help="Ten characters A-Z, 0-9. [default: a new one]", show_default=False)
    ] = None,
    duplicates: Annotated[
        int, typer.Option("--duplicates", min=0, max=1000, help="Tell the same payment again so often.")
    ] = 0,
    pause: Annotated[float, typer.Option("--pause", min=0, help="Seconds between the duplicates.")] = 0.0,
    no_resend: Annotated[bool, typer.Option("--no-resend", help="Do not tell it again when it is not taken.")] = False,
    json: Json = False,
) -> None:
    """Let a customer of the M-PESA sandbox pay; the sandbox then calls the API with a signed notice.

    Ends with 1 when the API did not take the notice. Works with a sandbox only, never with M-PESA itself.

    \b
    Examples:
      fiatrails mpesa simulate ORDER-17
      fiatrails mpesa simulate ORDER-17 --amount 90 --duplicates 49
    """
    runtime.setup()
    from fiatrails.local import simulator

    order = _order(reference, amount, phone, receipt, resend=not no_resend)
    answers = simulator.pay_repeatedly(order, duplicates=duplicates, pause_s=pause)
    taken = sum(bool(answer.get("acknowledged")) for answer in answers)
    first = answers[0]
    whole = {
        "txRef": order["txRef"],
        "amount": order["amount"],
        "phone": amounts.masked_phone(phone),
        "receipt": first.get("receipt"),
        "notices": len(answers),
        "acknowledged": taken,
    }
    render.emit(json, whole, render.fields(whole))
    if taken < len(answers):
        raise Failure("not_acknowledged", f"the API did not take it: {simulator.refusal(answers)}")


@app.command("stk-push")
def stk_push(
    reference: Annotated[str, typer.Argument(metavar="INTENT", help="Intent id (0x...) or txRef.")],
    phone: Annotated[str, typer.Option("--phone", help="Whose phone: 2547XXXXXXXX.")],
    json: Json = False,
) -> None:
    """Ask the payer of an intent to pay: a prompt on the phone (Lipa na M-PESA). A worker sends it.

    \b
    Examples:
      fiatrails mpesa stk-push ORDER-17 --phone 254712345678
    """
    runtime.setup()
    from fiatrails.providers.mpesa.charging import Push, parse_phone
    from fiatrails.purchases import queries
    from fiatrails.purchases.payments import charges

    purchase = queries.find_purchase(reference)
    push = charges.start(intent_id=purchase.intent_id, charger=Push(parse_phone(phone)), now=runtime.now())
    whole = {
        "reference": push.reference,
        "state": push.state,
        "intentId": purchase.intent_id,
        "amount": amounts.money(push.amount_minor, push.currency),
        "phone": amounts.masked_phone(push.details["phone"]),
    }
    render.emit(json, whole, render.fields(whole))


@app.command("register-urls")
def register_urls(yes: Yes = False, actor: Actor = "", json: Json = False) -> None:
    """Tell M-PESA where payments to the paybill are validated and confirmed (MPESA_CALLBACK_BASE_URL).

    M-PESA then refuses payments while the API cannot be asked. In production a short code is registered once.

    \b
    Examples:
      fiatrails mpesa register-urls
    """
    runtime.setup()
    from fiatrails.kernel.clock import SystemClock
    from fiatrails.kernel.conf import config
    from fiatrails.providers.mpesa.config import mpesa_config
    from fiatrails.providers.mpesa.daraja import Daraja
    from fiatrails.providers.mpesa.registration import register_urls

    mpesa = mpesa_config()
    runtime.confirm(f"Register {mpesa.callback_base_url} for short code {mpesa.shortcode}?", yes=yes)
    with closing(Daraja(config(), clock=SystemClock())) as client:
        taken = register_urls(client=client, mpesa=mpesa, actor=actor, now=runtime.now())
    whole = asdict(taken)
    render.emit(json, whole, render.fields(whole))


def _order(reference: str, amount: str | None, phone: str, receipt: str | None, *, resend: bool) -> dict[str, object]:
    purchase = _purchase(reference)
    order: dict[str, object] = {
        "txRef": purchase.tx_ref if purchase else reference,
        "amount": _price(purchase, amount),
        "phone": phone,
        "resend": resend,
    }
    return {**order, "receipt": receipt} if receipt else order


def _purchase(reference: str) -> Purchase | None:
    """Return the purchase, or None for a txRef that is not known yet: such payments are kept and matched later."""
    from fiatrails.purchases import queries

    try:
        return queries.find_purchase(reference)
    except NotFound:
        if reference.startswith("0x"):
            raise
        return None


def _price(purchase: Purchase | None, amount: str | None) -> str:
    from fiatrails.kernel.money import format_minor, parse_money

    if amount is None and purchase is None:
        raise BadInput("amount_missing", "no intent has this txRef, so --amount must say what is paid")
    if amount is not None:
        currency = purchase.fiat_currency if purchase else "KES"
        return format_minor(parse_money(amount, currency).minor, currency)
    assert purchase is not None
    return format_minor(purchase.fiat_expected, purchase.fiat_currency)
