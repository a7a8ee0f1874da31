"""`fiatrails config` and `fiatrails db`: what a deployment runs with, and its schema."""

from __future__ import annotations

from typing import Annotated

import typer

from fiatrails.cli.kit import render, runtime
from fiatrails.cli.kit.runtime import Json

config_app = typer.Typer(help="The effective configuration.", no_args_is_help=True)
db_app = typer.Typer(help="The database schema.", no_args_is_help=True)


@config_app.callback()
def config() -> None:
    """Show the effective configuration."""


@db_app.callback()
def db() -> None:
    """Migrate the database schema."""


@config_app.command("show")
def show(json: Json = False) -> None:
    """Show what environment and profile amount to; secrets only as set or not set.

    \b
    Examples:
      fiatrails config show
      fiatrails config show --json | jq .profile.limits
    """
    runtime.setup()
    from fiatrails.operations.settings_view import effective

    sections = effective()
    parts = []
    for name, values in sections.items():
        parts += [f"{name}:", render.fields(values), ""]
    render.emit(json, sections, *parts)


@db_app.command("migrate", context_settings={"ignore_unknown_options": True})
def migrate(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[APP] [MIGRATION] [OPTIONS]", help="As `manage.py migrate` takes them."),
    ] = None,
) -> None:
    """Bring the schema up to date, or to one migration of one app; Django's `migrate`.

    \b
    Examples:
      fiatrails db migrate
      fiatrails db migrate --plan
      fiatrails db migrate rb_core 0001
    """
    runtime.setup()
    from django.core.management import CommandError, call_command

    from fiatrails.cli.kit.exits import Failure

    try:
        call_command("migrate", *(arguments or ()))
    except CommandError as error:
        raise Failure("migrate_failed", str(error)) from None
