"""What every test of the Django side shares: a real PostgreSQL with fsync on, and a configuration of its own."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import hypothesis
import pytest
import structlog
from django.conf import settings as django_settings
from django.db import connections
from django.test import TransactionTestCase
from pydantic import SecretStr

from fiatrails.config.env import database_settings
from fiatrails.kernel.conf import Config
from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit import databases
from tests.kit.services import DeployedChain


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: EmbeddedPostgres) -> None:
    """Points Django at the session's PostgreSQL before the test database is made."""
    entry = database_settings(postgres.dsn)
    for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT"):
        connections["default"].settings_dict[name] = entry[name]
        django_settings.DATABASES["default"][name] = entry[name]
    connections["default"].settings_dict["TEST"]["TEMPLATE"] = databases.MIGRATED


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The database goes with its server; dropping it first would wait for a checkpoint."""
    return True


@pytest.fixture(scope="session", autouse=True)
def emptied_after_each_test() -> Iterator[None]:
    """Django would truncate every table and then write its permissions anew: a fifth of a second for each test."""

    def empty_all(case: Any) -> None:
        for alias in case._databases_names(include_mirrors=False):
            with connections[alias].cursor() as cursor:
                databases.empty(cursor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_all)
        yield


@pytest.fixture(scope="session", autouse=True)
def authorities_read_once() -> Iterator[None]:
    """Each HTTP client would parse every certificate authority again, which takes longer than most tests."""
    made = functools.cache(httpx.create_ssl_context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", made)
        yield


# Left alone, structlog would draw each logged exception with the variables of every frame: a tenth of a second.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.set_exc_info,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

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
    """Replaces fields of the process's configuration for one test; a provider's configuration by its name."""

    def change(**fields: object) -> Config:
        known = django_settings.FIATRAILS.providers
        own = {name: fields.pop(name) for name in list(fields) if name in known}
        fields |= {"providers": {**known, **own}} if own else {}
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
