"""Every error ends a command with the documented code, in one line, and never with a traceback."""

from __future__ import annotations

import json

import pytest
import typer
from django.conf import settings
from django.db.utils import OperationalError, ProgrammingError
from typer.testing import CliRunner

from fiatrails.cli.kit.exits import MEANINGS, ExitCode, Failure, exit_code_of
from fiatrails.cli.kit.runtime import Json, Root
from fiatrails.kernel import errors

CASES = [
    (errors.BadInput("c", "m"), 2),
    (errors.NotFound("c", "m"), 3),
    (errors.Conflict("c", "m"), 4),
    (errors.Unprocessable("c", "m"), 4),
    (errors.StaleFence("a row"), 4),
    (errors.Unavailable("c", "m"), 5),
    (errors.OutsideUnknown("c", "m"), 5),
    (errors.TooMany("c", "m", retry_after=1), 5),
    (errors.Misconfigured("c", "m"), 6),
    (errors.Unauthorized("c", "m"), 7),
    (errors.Forbidden("c", "m"), 7),
    (Failure("c", "m"), 1),
]
OTHERS = [(OperationalError("no answer"), 5), (ProgrammingError("no table"), 6), (ValueError("secret value"), 70)]


def failing(error: BaseException) -> typer.Typer:
    app = typer.Typer(cls=Root, rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.command("fail")
    def fail(json: Json = False) -> None:
        raise error

    app.callback()(lambda: None)
    return app


@pytest.mark.parametrize(("error", "code"), CASES, ids=lambda case: type(case).__name__)
def test_errors_of_the_domain(error: errors.FiatRailsError, code: int) -> None:
    assert exit_code_of(error) == code


def test_no_error_is_forgotten() -> None:
    known = {type(error) for error, _ in CASES}
    assert set(errors.FiatRailsError.__subclasses__()) <= {*known, Failure} | {
        kind for kind in errors.FiatRailsError.__subclasses__() if kind.__module__ != errors.__name__
    }


@pytest.mark.parametrize(("error", "code"), [*CASES, *OTHERS], ids=lambda case: type(case).__name__)
def test_a_failing_command_says_one_line(error: Exception, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIATRAILS_DEBUG", raising=False)
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr


@pytest.mark.parametrize("error", [OperationalError("too many clients"), ProgrammingError("too many clients")])
def test_what_the_database_said_is_said(error: Exception) -> None:
    assert "too many clients" in CliRunner().invoke(failing(error), ["fail"]).stderr


def test_a_password_in_what_the_database_said_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    password = "pass-word"
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", password)
    said = CliRunner().invoke(failing(OperationalError(f"bad address postgresql://u:{password}@db/x")), ["fail"]).stderr
    assert "postgresql://u:***@db/x" in said


def test_json_stays_one_document_when_a_command_fails() -> None:
    result = CliRunner().invoke(failing(errors.NotFound("intent_not_found", "no such intent")), ["fail", "--json"])
    assert json.loads(result.stdout) == {"error": "intent_not_found", "message": "no such intent", "exitCode": 3}


def test_the_traceback_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIATRAILS_DEBUG", "1")
    result = CliRunner().invoke(failing(ValueError("why")), ["fail"])
    assert "ValueError: why" in result.stderr


def test_an_interrupt_is_no_error() -> None:
    result = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert result.exit_code == 130


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)
