"""A database that looks new to every test, with superuser rights: its rules are tried by breaking them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connections

from fiatrails.config.env import database_settings
from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit import databases

_numbers = itertools.count(1)


@contextmanager
def pointed_at(dsn: str, *, pooled: bool = False) -> Iterator[None]:
    """Lets Django's default connection, in every thread, lead to `dsn`."""
    shared = connections.settings["default"]
    before = dict(shared)
    connections["default"].close()
    shared.update(database_settings(dsn, pooled=pooled))
    try:
        yield
    finally:
        connections["default"].close()
        shared.update(before)


class Scratch:
    """One migrated database, handed from test to test; a test that changed its schema gets it thrown away."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._name = ""
        self._schema = ""

    @contextmanager
    def database(self) -> Iterator[str]:
        """An empty database behind Django; the value is its DSN."""
        self._name = self._name or self._copy()
        dsn = self._server.dsn_for(self._name)
        try:
            with pointed_at(dsn):
                yield dsn
        finally:
            self._clean(dsn)

    def _copy(self) -> str:
        name = f"scratch_{next(_numbers)}"
        with psycopg.connect(databases.migrated_copy(self._server, name)) as session:
            self._schema = databases.schema(session)
        return name

    def _clean(self, dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as session:
            databases.end_other_sessions(session)
            if databases.schema(session) == self._schema:
                databases.empty(session)
                databases.restart_numbers(session)
            else:
                self._name = ""
