"""Fixtures: one migrated template per session, one copy of it per test."""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from fiatrails.cli.local.postgres import EmbeddedPostgres
from tests.integration.ledger.scratch import build_template, scratch_database


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres, django_db_blocker: DjangoDbBlocker) -> str:
    """The name of the migrated template."""
    with django_db_blocker.unblock():
        return build_template(postgres)


@pytest.fixture
def database(postgres: EmbeddedPostgres, template: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A fresh database behind Django; the value is its DSN, with superuser rights."""
    with django_db_blocker.unblock(), scratch_database(postgres, template) as dsn:
        yield dsn
