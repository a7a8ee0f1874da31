"""The `fiatrails` command. One thin module per noun: each translates arguments, makes one domain call, renders."""

from __future__ import annotations

import typer

from fiatrails.cli.books import audit, ledger
from fiatrails.cli.chains import contracts, nonces
from fiatrails.cli.compliance import cases, lists, payers, screen, users
from fiatrails.cli.kit.runtime import Root
from fiatrails.cli.operations import backlog, dead_letters, doctor, lifecycle, modes, processes, settings, smoke
from fiatrails.cli.people import clients, operators
from fiatrails.cli.purchases import intents, mpesa, payments, prices

app = typer.Typer(
    name="fiatrails",
    cls=Root,
    help="FiatRails: one confirmed payment becomes exactly one token.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command("up")(lifecycle.up)
app.command("down")(lifecycle.down)
app.command("reset")(lifecycle.reset)
app.command("doctor")(doctor.doctor)
app.add_typer(intents.app, name="intent")
app.add_typer(payments.app, name="payments")
app.add_typer(prices.app, name="price")
app.add_typer(mpesa.app, name="mpesa")
app.add_typer(users.app, name="user")
app.add_typer(clients.app, name="client")
app.add_typer(operators.app, name="operator")
app.add_typer(dead_letters.app, name="dlq")
app.add_typer(backlog.app, name="backlog")
app.add_typer(nonces.app, name="nonce")
app.add_typer(payers.app, name="payer")
app.add_typer(screen.app, name="screen")
app.add_typer(cases.app, name="case")
app.add_typer(lists.app, name="lists")
app.add_typer(ledger.app, name="ledger")
app.add_typer(audit.app, name="audit")
app.add_typer(modes.app, name="mode")
app.add_typer(contracts.app, name="contracts")
app.command("smoke-test")(smoke.smoke_test)
app.add_typer(settings.config_app, name="config")
app.add_typer(settings.db_app, name="db")
app.command("worker")(processes.worker)
app.command("api")(processes.api)
