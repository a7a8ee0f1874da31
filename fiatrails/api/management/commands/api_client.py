"""`python -m django api_client`: API clients and their secrets. `fiatrails client` runs it and shows its answer."""

from __future__ import annotations

import json
import secrets
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import datetime
from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand
from pydantic import SecretStr

from fiatrails.api import clients
from fiatrails.kernel.clock import SystemClock, isoformat
from fiatrails.kernel.times import moment

_SECRET_BYTES = 32


class Command(BaseCommand):
    """Lists and makes API clients, adds and ends their secrets."""

    help = "Lists and makes API clients, adds and ends their secrets."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add one sub-command for each act; the options of all of them follow it."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list")
        create = verbs.add_parser("create")
        create.add_argument("name")
        create.add_argument("--quota", type=int, default=clients.NEW_QUOTA_PER_MIN)
        add = verbs.add_parser("add-secret")
        add.add_argument("name")
        add.add_argument("--key-id", required=True)
        add.add_argument("--valid-from", default="now")
        add.add_argument("--valid-until")
        add.add_argument("--secret-stdin", action="store_true", help="read the secret instead of making one")
        end = verbs.add_parser("end-secret")
        end.add_argument("key_id")
        end.add_argument("--at", default="now")
        for verb in verbs.choices.values():
            verb.add_argument("--json", action="store_true")
            verb.add_argument("--actor", default="")

    def handle(self, *_: Any, verb: str, **options: Any) -> None:
        """Run one verb and write its answer, as JSON or line by line."""
        now = SystemClock().now()
        options["actor"] = options["actor"] or getuser()
        run = {"list": _list, "create": _create, "add-secret": _add_secret, "end-secret": _end_secret}[verb]
        document = run(options, now)
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else _lines(document))


def _list(_: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return {"clients": [_document(client, now) for client in clients.list_clients()]}


def _create(options: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    made = clients.create_client(name=options["name"], quota_per_min=options["quota"], actor=options["actor"], now=now)
    return {"name": made.name, "quotaPerMin": made.quota_per_min}


def _add_secret(options: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Add a secret. The answer holds one that was made here: nobody has seen it yet, and it is not shown again."""
    given = sys.stdin.readline().strip() if options["secret_stdin"] else None
    secret = given if given is not None else secrets.token_hex(_SECRET_BYTES)
    start, end = moment(options["valid_from"], now=now), _moment(options["valid_until"], now)
    clients.add_secret(
        client=options["name"],
        key_id=options["key_id"],
        secret=SecretStr(secret),
        valid_from=start,
        valid_until=end,
        actor=options["actor"],
        now=now,
    )
    made = {} if given is not None else {"secret": secret}
    return {"client": options["name"], "keyId": options["key_id"], **_window(start, end), **made}


def _end_secret(options: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    at = moment(options["at"], now=now)
    clients.end_secret(key_id=options["key_id"], at=at, actor=options["actor"], now=now)
    return {"keyId": options["key_id"], "validUntil": isoformat(at)}


def _moment(text: str | None, now: datetime) -> datetime | None:
    return moment(text, now=now) if text else None


def _document(client: clients.ClientView, now: datetime) -> dict[str, Any]:
    keys = [
        {"keyId": key.key_id, "valid": key.is_valid(now), **_window(key.valid_from, key.valid_until)}
        for key in client.keys
    ]
    return {"name": client.name, "active": client.active, "quotaPerMin": client.quota_per_min, "keys": keys}


def _window(start: datetime | None, end: datetime | None) -> dict[str, str | None]:
    return {"validFrom": isoformat(start) if start else None, "validUntil": isoformat(end) if end else None}


def _lines(document: Mapping[str, Any]) -> str:
    listed = document.get("clients")
    rows = listed if isinstance(listed, list) else [document]
    return "\n".join("\n".join(f"{name}: {value}" for name, value in row.items()) + "\n" for row in rows)
