"""`fiatrails smoke-test`: one small real mint, from end to end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import amounts, render, runtime
from fiatrails.cli.kit.exits import Failure
from fiatrails.cli.kit.runtime import Json
from fiatrails.kernel.errors import BadInput, Misconfigured

if TYPE_CHECKING:
    from fiatrails.kernel.money import Money
    from fiatrails.operations.smoke_test import SmokePurchase, Target


def smoke_test(
    *,
    api_url: Annotated[
        str, typer.Option("--api-url", envvar="FIATRAILS_API_URL", help="[default: this machine, PORT or 3000]")
    ] = "",
    user: Annotated[
        str | None, typer.Option("--user", help="A compliant recipient. [default: the local stack's payer]")
    ] = None,
    amount: Annotated[
        str | None, typer.Option("--amount", help="Tokens. [default: the least that may be minted]")
    ] = None,
    country: Annotated[str, typer.Option("--country", help="Country code of the token.")] = "KES",
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds until the mint must be final.")] = 120.0,
    json: Json = False,
) -> None:
    """Mint a little through the public API: health, intent, payment, final mint, ledger.

    Pays in the M-PESA sandbox when there is one, else tells you what to pay and waits. Costs real money where M-PESA
    is real. Ends with 1 and the reason when a step fails.

    \b
    Examples:
      fiatrails smoke-test
      fiatrails smoke-test --api-url https://rail.example --user 0x90F7... --timeout 600
    """
    runtime.setup()
    from fiatrails.kernel.clock import SystemClock
    from fiatrails.local import simulator
    from fiatrails.operations.smoke_test import SmokeTestFailed, run

    steps: list[dict[str, object]] = []
    pay = _pay if simulator.is_available() else None
    try:
        for step in run(
            target=_target(api_url),
            purchase=_purchase(user, amount, country),
            pay=pay,
            clock=SystemClock(),
            timeout_s=timeout,
        ):
            render.note(f"ok  {step.step:<9} {step.detail}")
            steps.append({"step": step.step, "detail": step.detail, "intentId": step.intent_id or None})
    except SmokeTestFailed as failed:
        raise Failure(failed.code, f"the smoke test failed: {failed.message}") from None
    render.emit(
        json, {"ok": True, "steps": steps}, "the smoke test passed: one payment, one final mint, books balanced"
    )


def _target(api_url: str) -> Target:
    from fiatrails.kernel.conf import config
    from fiatrails.operations.smoke_test import Target

    if not config().client_secrets:
        raise Misconfigured("no_client_secret", "HMAC_SECRET is not set, so no request can be signed")
    base_url = api_url or f"http://127.0.0.1:{os.environ.get('PORT', '3000')}"
    return Target(base_url.rstrip("/"), config().client_secrets[0][1])


def _purchase(user: str | None, amount: str | None, country_code: str) -> SmokePurchase:
    from fiatrails.kernel.addresses import parse_address
    from fiatrails.kernel.conf import profile
    from fiatrails.kernel.money import token_price
    from fiatrails.operations.smoke_test import SmokePurchase

    country = profile().country(country_code)
    if country is None:
        raise BadInput("unknown_country", f"country {country_code[:8]!r} is not served here")
    base_units = amounts.parse_tokens(amount) if amount else profile().limits.min_mint
    recipient = parse_address(user or _local_payer(), field="--user")
    return SmokePurchase(recipient, base_units, country_code, token_price(base_units, country.currency))


def _local_payer() -> str:
    from fiatrails.kernel.conf import config

    if config().env not in ("local", "test"):
        raise BadInput("user_missing", "say with --user who receives the tokens: somebody compliant, better yourself")
    from fiatrails.local.keystores import PAYER, dev_address

    return dev_address(PAYER)


def _pay(tx_ref: str, price: Money) -> str:
    from fiatrails.local import simulator

    order = {"txRef": tx_ref, "amount": str(price).split(" ", maxsplit=1)[0], "phone": amounts.SANDBOX_PHONE}
    paid = simulator.gateway_pay(order)
    if not paid.get("acknowledged"):
        raise Failure("not_acknowledged", f"the API did not take the payment notice: {paid.get('answers')}")
    return str(paid["receipt"])
