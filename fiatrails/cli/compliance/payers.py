"""`fiatrails payer`: who stands behind a wallet."""

from __future__ import annotations

from typing import Annotated

import typer

from fiatrails.cli.compliance.options import Born, Countries, Identifiers, Kind
from fiatrails.cli.kit import render, runtime
from fiatrails.cli.kit.runtime import Actor, Json
from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.errors import NotFound

app = typer.Typer(help="Who stands behind a wallet: what screening goes by.", no_args_is_help=True)


@app.command("record")
def record(
    user: Annotated[str, typer.Argument(metavar="ADDRESS", help="The payer's wallet.")],
    name: Annotated[str, typer.Option("--name", help="The whole name.")],
    *,
    kind: Kind = None,
    born: Born = None,
    country: Countries = None,
    identifier: Identifiers = None,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Record who stands behind a wallet. Everybody ever recorded for it is screened.

    \b
    Examples:
      fiatrails payer record 0x90F7... --name "Jane Wanjiku" --type person --born 1991-04-02 --country KE
    """
    runtime.setup()
    from fiatrails.compliance.sanctions import payers
    from fiatrails.screening.matching.parties import read_date

    identity = payers.Identity(name, kind, read_date(born), tuple(country or ()), tuple(identifier or ()))
    payers.record(identity, user=parse_address(user, field="user"), actor=actor, now=runtime.now())
    _show(user, json=json)


@app.command("show")
def show(
    user: Annotated[str, typer.Argument(metavar="ADDRESS", help="The payer's wallet.")], json: Json = False
) -> None:
    """Show who stands behind a wallet.

    \b
    Examples:
      fiatrails payer show 0x90F7...
    """
    runtime.setup()
    _show(user, json=json)


def _show(user: str, *, json: bool) -> None:
    from fiatrails.compliance.sanctions import payers

    address = parse_address(user, field="user")
    identities = payers.known([address])[address]
    if not identities:
        raise NotFound("payer_not_found", "nothing is recorded of this payer; `fiatrails payer record` does it")
    rows = [
        {
            "name": identity.name,
            "type": identity.type or "",
            "born": str(identity.born or ""),
            "countries": list(identity.countries),
            "identifiers": list(identity.identifiers),
        }
        for identity in identities
    ]
    columns = ("name", "type", "born", "countries", "identifiers")
    shown = render.table(columns, [[_plain(row[column]) for column in columns] for row in rows], title=address)
    render.emit(json, {"user": address, "payers": rows}, shown)


def _plain(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value
