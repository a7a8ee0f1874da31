"""`fiatrails` as a person uses it, in this process: arguments in, exit code, stdout and stderr out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from fiatrails.cli.main import app


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Run = Callable[..., Outcome]


def invoke(arguments: Sequence[str], *, answers: str | None = None) -> Outcome:
    """Run a command to its end; `answers` is what is typed. What is no exit of a command is raised."""
    result = CliRunner().invoke(app, list(arguments), input=answers)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)
