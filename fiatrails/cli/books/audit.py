"""`fiatrails audit`: the record of who did what."""

from __future__ import annotations

import typer

from fiatrails.cli.kit import progress, render, runtime
from fiatrails.cli.kit.runtime import Json

app = typer.Typer(help="The hash-chained record of who did what.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """The hash-chained record of who did what."""


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
    whole = {
        "ok": found.ok,
        "records": found.records,
        "head": {"seq": found.head.seq, "digest": found.head.digest.hex()},
        "firstBroken": found.first_broken,
        "problems": list(found.problems),
    }
    verdict = "the audit chain verifies" if found.ok else "the audit chain is BROKEN"
    render.emit(json, whole, f"{verdict}: {found.records} records, head {found.head.digest.hex()}", *found.problems)
    if not found.ok:
        runtime.negative()
