"""`python -m django operator`: accounts of operators. `fiatrails operator` runs it and shows its answer."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import datetime
from getpass import getpass, getuser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from fiatrails.accounts import people
from fiatrails.kernel.clock import SystemClock, isoformat
from fiatrails.kernel.errors import BadInput


class Command(BaseCommand):
    """Lists, adds and disables operators, and gives new passwords."""

    help = "Lists, adds and disables operators, and gives new passwords."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add one sub-command for each act."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list")
        for verb in ("add", "password", "disable"):
            verbs.add_parser(verb).add_argument("name")
        for verb in ("add", "password"):
            verbs.choices[verb].add_argument("--password-file", type=Path)
        verbs.choices["add"].add_argument("--officer", action="store_true")
        for made in verbs.choices.values():
            made.add_argument("--json", action="store_true")
            made.add_argument("--actor", default="")

    def handle(self, *_: Any, verb: str, **options: Any) -> None:
        """Run one verb and write its answer, as JSON or line by line."""
        options["actor"] = options["actor"] or getuser()
        run = {"list": _list, "add": _add, "password": _password, "disable": _disable}[verb]
        document = run(options, SystemClock().now())
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else _lines(document))


def _list(_: Mapping[str, Any], __: datetime) -> dict[str, Any]:
    return {"operators": [_document(operator) for operator in people.listed()]}


def _add(options: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    password = _read_password(options["password_file"])
    return _document(
        people.add(name=options["name"], password=password, officer=options["officer"], actor=options["actor"], now=now)
    )


def _password(options: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    password = _read_password(options["password_file"])
    return _document(people.renew_password(name=options["name"], password=password, actor=options["actor"], now=now))


def _disable(options: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return _document(people.disable(name=options["name"], actor=options["actor"], now=now))


def _read_password(path: Path | None) -> str:
    """Return the first line of the file, or what is typed twice; never an argument, which other users of the machine
    see."""
    if path is not None:
        try:
            return path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError):
            raise BadInput("password_file", f"cannot read a password from {path}") from None
    if not _is_terminal():
        raise BadInput("no_terminal", "a password is typed at a terminal; without one give --password-file")
    typed = getpass("Password: ")
    if typed != getpass("Once more: "):
        raise BadInput("passwords_differ", "the two passwords differ; nothing was changed")
    return typed


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _document(operator: people.Operator) -> dict[str, Any]:
    return {
        "name": operator.name,
        "active": operator.active,
        "officer": operator.officer,
        "superuser": operator.superuser,
        "addedAt": isoformat(operator.added_at),
        "signedInAt": isoformat(operator.signed_in_at) if operator.signed_in_at else None,
    }


def _lines(document: Mapping[str, Any]) -> str:
    listed = document.get("operators")
    rows = listed if isinstance(listed, list) else [document]
    return "\n".join("\n".join(f"{name}: {value}" for name, value in row.items()) + "\n" for row in rows)
