"""`fiatrails audit`: the record of who did what."""

from __future__ import annotations

import typer

from fiatrails.cli.books import verdict
from fiatrails.cli.kit import progress, runtime
from fiatrails.cli.kit.runtime import Json

app = typer.Typer(help="The hash-chained record of who did what.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Verify the hash-chained record of who did what."""


@app.command("verify")
def verify(json: Json = False) -> None:
    """Recompute the audit chain; ends with 1 when anything was changed, removed or slipped in.

    \b
    Examples:
      fiatrails audit verify
    """
    runtime.setup()
    from fiatrails.controls import audit as chain

    with progress.bar("records", total=chain.head().seq) as advance:
        found = chain.verify(progress=lambda done, _total: advance(done))
    verdict.emit(json, found, subject="the audit chain", unit="records", count=found.records)
