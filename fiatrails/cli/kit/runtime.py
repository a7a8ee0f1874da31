"""What every command shares: Django when it is needed, --json, --actor, confirmation, and how errors end it."""

from __future__ import annotations

import getpass
import os
import sys
import traceback
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from fiatrails.cli.kit import environment, render
from fiatrails.cli.kit.exits import ExitCode, exit_code_of
from fiatrails.kernel.clock import SystemClock
from fiatrails.kernel.errors import FiatRailsError
from fiatrails.kernel.imports import uncollected

_JSON = "fiatrails.json"


def _remember_json(context: typer.Context, value: bool) -> bool:
    context.meta[_JSON] = context.meta.get(_JSON, False) or value
    return value


def _operating_user(value: str) -> str:
    return value.strip() or getpass.getuser()


Json = Annotated[
    bool, typer.Option("--json", callback=_remember_json, help="Print one JSON document instead of tables.")
]
Actor = Annotated[
    str,
    typer.Option(
        "--actor",
        envvar="FIATRAILS_ACTOR",
        callback=_operating_user,
        show_default="your login name",
        help="Who does this, for the audit log.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the record and in the audit log.")]
ExternalReference = Annotated[
    str, typer.Option("--external-reference", help="You paid it back by other means: its reference there.")
]


def setup(*, server: bool = False) -> None:
    """Make the domain importable: environment, Django, logs. The first line of a command."""
    from django.apps import apps

    if apps.ready:
        return
    environment.prepare()
    with uncollected():
        import django

        django.setup()
    from fiatrails.cli.kit import logs

    if server:
        logs.configure_server()
    else:
        logs.configure_command()


def now() -> datetime:
    """Return the present moment, for domain calls."""
    return SystemClock().now()


def confirm(question: str, *, yes: bool) -> None:
    """Go on when the person agrees (or agreed beforehand); end the command when not."""
    if not yes and not typer.confirm(question, err=True):
        render.note("Nothing was changed.")
        raise typer.Exit(ExitCode.NEGATIVE)


def negative() -> NoReturn:
    """End a command whose answer was printed, and was no."""
    raise typer.Exit(ExitCode.NEGATIVE)


class Root(TyperGroup):
    """The `fiatrails` command: every error of every command ends here, in one line and with its exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (typer.TyperException, typer.Exit, typer.Abort, KeyboardInterrupt, SystemExit):
            raise
        except BrokenPipeError:
            _discard_output()
            raise typer.Exit(ExitCode.BROKEN_PIPE) from None
        except Exception as error:  # noqa: BLE001 - the outermost layer: a person gets a sentence
            if os.environ.get("FIATRAILS_DEBUG"):
                traceback.print_exc()
            raise typer.Exit(_report(error, json=ctx.meta.get(_JSON, False))) from None


def _discard_output() -> None:
    """Points stdout at nothing, so that the flush at exit does not fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


def _report(error: Exception, *, json: bool) -> ExitCode:
    code, message, exit_code = _explain(error)
    if json:
        typer.echo(render.error_document(code, message, exit_code))
    render.note(f"error: {message} ({code})")
    return exit_code


def _explain(error: Exception) -> tuple[str, str, ExitCode]:
    if isinstance(error, FiatRailsError):
        return error.code, error.message, exit_code_of(error)
    found = _explain_database(error)
    if found is not None:
        return found
    return (
        "internal_error",
        f"unexpected {type(error).__name__}; run it again with FIATRAILS_DEBUG=1 and report the traceback",
        ExitCode.INTERNAL,
    )


def _explain_database(error: Exception) -> tuple[str, str, ExitCode] | None:
    """Says what a database error means for an operator; only once Django is there can there be one."""
    if "django.db.utils" not in sys.modules:
        return None
    from django.db.utils import InterfaceError, OperationalError, ProgrammingError

    if not isinstance(error, OperationalError | InterfaceError | ProgrammingError):
        return None
    from fiatrails.engine.postgres.errors import FORBIDDEN, explain

    found = explain(error)
    if isinstance(error, ProgrammingError) and found.sqlstate != FORBIDDEN:
        message = f"the database schema does not fit this version ({found.said}); run `fiatrails db migrate`"
        return "schema_outdated", message, ExitCode.MISCONFIGURED
    return found.code, found.sentence, ExitCode.UNAVAILABLE
