"""The database's connections fall silent, as behind a NAT that forgot them: the API takes payments again by itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.functional.api.live import Live, callback_body, new_intent, serve
from tests.kit.databases import migrated_copy
from tests.kit.tcp_proxy import TcpProxy


@pytest.fixture(scope="module")
def proxy(postgres: EmbeddedPostgres) -> Iterator[TcpProxy]:
    """What lies between the API and its database."""
    with TcpProxy(f"127.0.0.1:{postgres.port}") as between:
        yield between


@pytest.fixture(scope="module")
def live(postgres: EmbeddedPostgres, proxy: TcpProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """An API whose every connection goes by the proxy."""
    url = migrated_copy(postgres, f"api_{uuid.uuid4().hex[:12]}")
    with serve(
        url.replace(f":{postgres.port}/", f":{proxy.port}/"), tmp_path_factory.mktemp("api"), GUNICORN_THREADS="8"
    ) as server:
        server.database_url = url
        yield server


def confirm_once(live: Live) -> int:
    with live.client() as http:
        return live.confirm(http, callback_body()).status_code


def order_once(live: Live) -> int:
    with live.client() as http:
        return live.make(http, new_intent()).status_code


def test_payments_and_orders_are_taken_again_seconds_after_every_connection_fell_silent(
    live: Live, proxy: TcpProxy
) -> None:
    with ThreadPoolExecutor(8) as threads:
        # Every thread of the server has a connection now.
        assert {*threads.map(lambda _: order_once(live), range(16))} == {201}
        assert confirm_once(live) == 200
        assert proxy.silence_all() >= 2
        started = time.monotonic()
        answers = [*threads.map(lambda n: (confirm_once if n % 2 else order_once)(live), range(16))]
        took_s = time.monotonic() - started
    assert took_s < 12, answers
    assert set(answers) <= {200, 201, 503}
    assert (confirm_once(live), order_once(live)) == (200, 201)
    assert time.monotonic() - started < 15
