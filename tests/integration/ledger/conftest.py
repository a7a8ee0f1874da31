"""Fixtures: a database that looks new to every test."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from fiatrails.local.postgres import EmbeddedPostgres
from tests.integration.ledger.scratch import Scratch


@pytest.fixture(scope="session")
def scratch(postgres: EmbeddedPostgres) -> Scratch:
    """Hands it out."""
    return Scratch(postgres)


@pytest.fixture
def database(scratch: Scratch, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A fresh database behind Django; the value is its DSN, with superuser rights."""
    with django_db_blocker.unblock(), scratch.database() as dsn:
        yield dsn
