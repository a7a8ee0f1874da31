"""`fiatrails operator`: who may sign in at /admin/. The admin owns them; its management command does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fiatrails.cli.kit import management, render, runtime
from fiatrails.cli.kit.runtime import Actor, Json, Yes

app = typer.Typer(help="People who sign in at /admin/.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, dots, dashes; stands in the audit log.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Take the password from the first line of this file instead of asking."),
]


@app.command("add")
def add(
    name: Name,
    *,
    officer: Annotated[
        bool, typer.Option("--officer/--no-officer", help="Whether they may see the review queue and decide.")
    ] = True,
    password_file: PasswordFile = None,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Make an account. The password is asked for twice; upper and lower case of names are one.

    \b
    Examples:
      fiatrails operator add ann
      fiatrails operator add ben --no-officer --password-file /run/secrets/ben
    """
    document = _run("add", name, "--actor", actor, *_file(password_file), *(["--officer"] if officer else []))
    render.emit(json, document, render.fields(document))


@app.command("list")
def list_(json: Json = False) -> None:
    """List the accounts.

    \b
    Examples:
      fiatrails operator list
    """
    document = _run("list")
    columns = ("name", "active", "officer", "superuser", "addedAt", "signedInAt")
    rows = [[operator[column] for column in columns] for operator in document["operators"]]
    render.emit(json, document, render.table(columns, rows) if rows else "nobody can sign in")


@app.command("password")
def password(name: Name, *, password_file: PasswordFile = None, actor: Actor = "", json: Json = False) -> None:
    """Give a new password. Sessions end; an account that was disabled may sign in again.

    \b
    Examples:
      fiatrails operator password ann
    """
    document = _run("password", name, "--actor", actor, *_file(password_file))
    render.emit(json, document, render.fields(document))


@app.command("disable")
def disable(name: Name, *, actor: Actor = "", yes: Yes = False, json: Json = False) -> None:
    """End an account and its sessions at once. What it did stays in the audit log.

    \b
    Examples:
      fiatrails operator disable ann
    """
    runtime.setup()
    runtime.confirm(f"Disable {name}? Their sessions end at once.", yes=yes)
    document = _run("disable", name, "--actor", actor)
    render.emit(json, document, render.fields(document))


def _file(path: Path | None) -> list[str]:
    return ["--password-file", str(path)] if path is not None else []


def _run(*arguments: str) -> dict[str, Any]:
    return management.ask("operator", *arguments, failure="operator_failed")
