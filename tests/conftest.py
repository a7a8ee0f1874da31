"""What every test of the Django side shares: a real PostgreSQL with fsync on, and a configuration of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis
import pytest
from django.conf import settings as django_settings
from django.db import connections
from pydantic import SecretStr

from fiatrails.cli.local.postgres import EmbeddedPostgres
from fiatrails.config.env import database_settings
from fiatrails.kernel.conf import Config
from tests.kit.services import DeployedChain


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: EmbeddedPostgres) -> None:
    """Points Django at the session's PostgreSQL before the test database is made."""
    entry = database_settings(postgres.dsn)
    for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT"):
        connections["default"].settings_dict[name] = entry[name]
        django_settings.DATABASES["default"][name] = entry[name]


@pytest.fixture(scope="session", autouse=True)
def flush_past_the_guards() -> Iterator[None]:
    """Between tests Django empties the tables, which the append-only guards rightly refuse to everybody else."""
    from django.db.backends.postgresql.operations import DatabaseOperations

    original = DatabaseOperations.execute_sql_flush

    def flush(self: Any, sql_list: list[str]) -> None:
        original(
            self,
            ["SET session_replication_role = replica", *sql_list, "SET session_replication_role = DEFAULT"],
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", flush)
        yield


# Timing of a shared machine says nothing about an example; in CI the same examples are tried every time.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


class SteppedClock:
    """A clock that a test moves."""

    def __init__(self, start: datetime) -> None:
        self.moment = start

    def now(self) -> datetime:
        """The moment it was moved to."""
        return self.moment

    def advance(self, **kwargs: float) -> datetime:
        """Moves forward, as timedelta takes it."""
        self.moment += timedelta(**kwargs)
        return self.moment


@pytest.fixture
def clock() -> SteppedClock:
    """Starts at a fixed moment."""
    return SteppedClock(datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC))


@pytest.fixture
def configure(settings: object) -> Callable[..., Config]:
    """Replaces fields of the process's configuration for one test."""

    def change(**fields: object) -> Config:
        settings.FIATRAILS = replace(django_settings.FIATRAILS, **fields)  # type: ignore[attr-defined,arg-type]
        return django_settings.FIATRAILS

    return change


@pytest.fixture
def on_chain(configure: Callable[..., Config], deployed_chain: DeployedChain) -> DeployedChain:
    """The session's chain, with this process configured for it."""
    current = django_settings.FIATRAILS
    configure(
        profile=current.profile.model_copy(update={"rpc_urls": (deployed_chain.anvil.url,)}),
        deployments_path=deployed_chain.deployments_path,
        signers=replace(
            current.signers,
            keystores=(deployed_chain.executor_keystore,),
            officer_keystore=deployed_chain.officer_keystore,
            password_file=deployed_chain.password_file,
        ),
        clearance_key=SecretStr("a test's clearance key"),
    )
    return deployed_chain
