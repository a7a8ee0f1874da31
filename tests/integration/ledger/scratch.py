"""A database of its own for each test: the tables are append-only, so nothing can be cleaned between
tests."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from fiatrails.cli.local.postgres import EmbeddedPostgres
from fiatrails.config.env import database_settings

TEMPLATE = "ledger_and_controls_template"
_numbers = itertools.count(1)


@contextmanager
def pointed_at(dsn: str) -> Iterator[None]:
    """Lets Django's default connection, in every thread, lead to `dsn`."""
    shared = connections.settings["default"]
    before = dict(shared)
    connections["default"].close()
    shared.update(database_settings(dsn))
    try:
        yield
    finally:
        connections["default"].close()
        shared.update(before)


def build_template(server: EmbeddedPostgres) -> str:
    """Migrates the template once per server; returns its name."""
    with pointed_at(server.createdb(TEMPLATE)):
        call_command("migrate", "controls", verbosity=0)
        call_command("migrate", "ledger", verbosity=0)
    return TEMPLATE


@contextmanager
def scratch_database(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A copy of the template that Django works on; yields its DSN, drops it afterwards."""
    name = f"scratch_{next(_numbers)}"
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        try:
            with pointed_at(server.dsn_for(name)):
                yield server.dsn_for(name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
