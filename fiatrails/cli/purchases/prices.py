"""`fiatrails price`: what a token costs in each country, and taking a price that moved too far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fiatrails.cli.kit import render, runtime
from fiatrails.cli.kit.runtime import Actor, Json, Reason, Yes
from fiatrails.kernel.errors import NotFound

if TYPE_CHECKING:
    from fiatrails.kernel.profile import CountryProfile
    from fiatrails.purchases.prices import PriceStanding

app = typer.Typer(help="What a token costs: one to one, fixed, or from a price feed.", no_args_is_help=True)


@app.command("show")
def show(json: Json = False) -> None:
    """Show the price in force of every country; ends with 1 when one has none, so that nothing is sold there.

    \b
    Examples:
      fiatrails price show
    """
    runtime.setup()
    from fiatrails.purchases import prices

    found = [_document(standing) for standing in prices.standings(now=runtime.now())]
    columns = ("country", "currency", "backedBy", "minorUnitsPerToken", "source", "refused")
    rows = [[document[name] for name in columns] for document in found]
    render.emit(json, {"prices": found}, render.table(columns, rows))
    if any(document["refused"] for document in found):
        runtime.negative()


@app.command("accept")
def accept(
    country: Annotated[str, typer.Argument(metavar="COUNTRY", help="CountryProfile code of the token.")],
    *,
    reason: Reason,
    yes: Yes = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Take what the country's price feed says now, although it moved by more than maxDeviationBps.

    The profile's bounds and the greatest age still hold.

    \b
    Examples:
      fiatrails price accept KES --reason "the shilling was devalued today"
    """
    runtime.setup()
    from fiatrails.chains.evm.pool import default_pool
    from fiatrails.purchases import prices

    wanted = _country(country)
    runtime.confirm(f"Take the price that the feed of {country} says now?", yes=yes)
    row = prices.accept(wanted, pool=default_pool(), actor=actor, reason=reason, now=runtime.now())
    taken = {
        "country": row.country,
        "minorUnitsPerToken": f"{row.minor_units.normalize():f}",
        "round": str(row.round_id),
        "updatedAt": row.updated_at.isoformat(),
    }
    render.emit(json, taken, render.fields(taken))


def _country(code: str) -> CountryProfile:
    from fiatrails.kernel.conf import profile

    found = profile().country(code)
    if found is None:
        raise NotFound("unknown_country", f"{code} is not in the profile")
    return found


def _document(standing: PriceStanding) -> dict[str, object]:
    country, rate = standing.country, standing.rate
    return {
        "country": country.country_code,
        "currency": country.currency,
        "backedBy": country.stablecoin_currency,
        "minorUnitsPerToken": f"{rate.minor_units.normalize():f}" if rate else None,
        "source": rate.source if rate else None,
        "refused": standing.refused,
    }
