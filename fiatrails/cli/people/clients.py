"""`fiatrails client`: API clients and their secrets. The API owns them; its management command does the work."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fiatrails.cli.kit import management, render, runtime
from fiatrails.cli.kit.runtime import Actor, Json, Yes

app = typer.Typer(help="API clients, their secrets and quotas.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 letters, digits, dots or dashes.")]


@app.command("list")
def list_(json: Json = False) -> None:
    """List the clients and their keys; never a secret.

    \b
    Examples:
      fiatrails client list
    """
    document = _run("list")
    columns = ("client", "active", "quotaPerMin", "keyId", "valid", "validFrom", "validUntil")
    rows = [row for client in document["clients"] for row in _rows(client)]
    render.emit(json, document, render.table(columns, rows))


@app.command("create")
def create(
    name: Name,
    quota: Annotated[int, typer.Option("--quota", min=1, help="Requests per minute.")] = 600,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Make a client, without a secret yet. It sees its own intents and no others.

    \b
    Examples:
      fiatrails client create shop --quota 600
    """
    document = _run("create", name, "--quota", str(quota), "--actor", actor)
    render.emit(json, document, render.fields(document))


@app.command("add-secret")
def add_secret(
    name: Name,
    *,
    key_id: Annotated[str, typer.Option("--key-id", help="What the client sends in X-Key-Id; never used again.")],
    valid_from: Annotated[str, typer.Option("--valid-from", help='"in 2 hours" or an RFC 3339 time.')] = "now",
    valid_until: Annotated[
        str | None, typer.Option("--valid-until", help='"in 90 days" or an RFC 3339 time. [default: for ever]')
    ] = None,
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Read the secret from standard input instead of making one.")
    ] = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """Let one more secret sign for a client. A new one, 32 random bytes as hex, is printed once.

    \b
    Examples:
      fiatrails client add-secret shop --key-id shop-1
      fiatrails client add-secret shop --key-id shop-2 --valid-from "in 1 hour" --valid-until "in 90 days"
      openssl rand -hex 32 | fiatrails client add-secret shop --key-id shop-3 --secret-stdin
    """
    options = ["--key-id", key_id, "--valid-from", valid_from, "--actor", actor]
    options += ["--valid-until", valid_until] if valid_until else []
    document = _run("add-secret", name, *options, *(["--secret-stdin"] if secret_stdin else []))
    render.emit(json, document, render.fields(document))


@app.command("end-secret")
def end_secret(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="See `fiatrails client list`.")],
    at: Annotated[str, typer.Option("--at", help='When: "in 7 days" or an RFC 3339 time.')] = "now",
    yes: Yes = False,
    actor: Actor = "",
    json: Json = False,
) -> None:
    """End a secret's validity; every process follows within five seconds, without a restart.

    \b
    Examples:
      fiatrails client end-secret shop-1
      fiatrails client end-secret shop-1 --at "in 7 days"
    """
    runtime.setup()
    runtime.confirm(f"End the key {key_id} ({at})? Requests signed with it get 401 from then on.", yes=yes)
    document = _run("end-secret", key_id, "--at", at, "--actor", actor)
    render.emit(json, document, render.fields(document))


def _run(*arguments: str) -> dict[str, Any]:
    return management.ask("api_client", *arguments, failure="client_failed")


def _rows(client: dict[str, Any]) -> list[tuple[object, ...]]:
    whole = (client["name"], client["active"], client["quotaPerMin"])
    keys = client["keys"] or [{}]
    return [(*whole, *(key.get(name) for name in ("keyId", "valid", "validFrom", "validUntil"))) for key in keys]
