"""`fiatrails screen`: the group, made of three modules."""

from __future__ import annotations

import typer

from fiatrails.cli.compliance import evaluation, releases, screening

app = typer.Typer(help="Names and wallets against the sanctions lists in force.", no_args_is_help=True)
app.command("name")(screening.name)
app.command("wallet")(screening.wallet)
app.command("file")(screening.file)
app.command("show")(screening.show)
app.command("release")(releases.release)
app.command("approve")(releases.approve)
app.command("revoke")(releases.revoke)
app.command("rescreen")(screening.rescreen)
app.command("releases")(releases.list_)
app.command("evaluate")(evaluation.evaluate)
app.command("hold-out")(evaluation.hold_out)
app.command("alerts")(evaluation.alerts)
