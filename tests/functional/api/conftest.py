"""One server for the module that asks; a database each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.functional.api.live import Live, serve
from tests.kit.databases import migrated_copy


@pytest.fixture(scope="module")
def live(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """gunicorn over a fresh database, with as many worker processes as the module's WORKERS; one where it has none."""
    directory: Path = tmp_path_factory.mktemp("api")
    workers = str(getattr(request.module, "WORKERS", 1))
    database_url = migrated_copy(postgres, f"api_{uuid.uuid4().hex[:12]}")
    with serve(database_url, directory, GUNICORN_WORKERS=workers) as server:
        yield server


@pytest.fixture
def http(live: Live) -> Iterator[httpx.Client]:
    """A client of the server."""
    with live.client() as client:
        yield client
