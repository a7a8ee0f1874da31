"""`fiatrails doctor`: what is wrong with a deployment, and what to do about it."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from fiatrails.cli.kit import environment, runtime
from fiatrails.cli.kit.runtime import Json
from fiatrails.kernel.errors import FiatRailsError

if TYPE_CHECKING:
    from rich.table import Table

    from fiatrails.operations.doctor import CheckResult

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}


def doctor(json: Json = False) -> None:
    """Check configuration, database, chain, contracts, keys and clock; ends with 1 when something fails.

    \b
    Examples:
      fiatrails doctor
      fiatrails doctor --json
    """
    environment.prepare()
    found = _examine()
    if json:
        print(json_module.dumps([asdict(result) for result in found], indent=2))
    else:
        from rich.console import Console

        Console().print(_table(found))
    sys.exit(1 if any(result.level == "fail" for result in found) else 0)


def _examine() -> list[CheckResult]:
    """Not `runtime.setup`: a configuration that cannot be read is a finding here."""
    import django

    from fiatrails.kernel.conf import config
    from fiatrails.operations.doctor import run_checks, unreadable

    try:
        django.setup()
        return run_checks(config(), now=runtime.now())
    except FiatRailsError as error:
        return [unreadable(error)]


def _table(found: Sequence[CheckResult]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("check", "", "finding", "what to do", box=None)
    for result in found:
        level = f"[{_COLOURS[result.level]}]{result.level}[/]"
        table.add_row(result.name, level, escape(result.message), escape(result.next_step))
    return table
