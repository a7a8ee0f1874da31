"""Connections that fall silent: whoever waits on one gives it up within seconds and goes on with another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import OperationalError, connection

from fiatrails.engine.loop import Loop
from fiatrails.engine.models import Heartbeat
from fiatrails.engine.wakeup import Listener, notify
from fiatrails.kernel import statements
from fiatrails.kernel.clock import SystemClock
from fiatrails.local.postgres import EmbeddedPostgres
from tests.integration.ledger.scratch import pointed_at
from tests.kit.tcp_proxy import TcpProxy

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def proxy(postgres: EmbeddedPostgres) -> Iterator[TcpProxy]:
    """Django's database, by way of a proxy that can fall silent."""
    name = connection.settings_dict["NAME"]
    with TcpProxy(f"127.0.0.1:{postgres.port}") as between:
        there = postgres.dsn_for(name).replace(f":{postgres.port}/", f":{between.port}/")
        with pointed_at(there):
            yield between


@contextmanager
def takes_less_than(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def ask() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_a_statement_on_a_silent_connection_ends_and_says_so(proxy: TcpProxy) -> None:
    ask()
    proxy.silence_all()
    with takes_less_than(4), statements.limited(0.3), pytest.raises(OperationalError, match=r"no answer .* 0\.3 s"):
        ask()
    connection.close()
    ask()


def test_a_connection_is_tried_for_a_moment_before_it_is_used_again(proxy: TcpProxy) -> None:
    """What a request does first with the connection of the request before."""
    ask()
    connection.health_check_enabled, connection.health_check_done = True, False
    proxy.silence_all()
    with takes_less_than(4), statements.limited(10):
        connection.close_if_health_check_failed()
        ask()


def test_a_loop_whose_connection_fell_silent_beats_again_within_seconds(proxy: TcpProxy) -> None:
    stop, passed = threading.Event(), threading.Event()

    def step() -> int:
        ask()
        passed.set()
        return 0

    loop = Loop("silent@test", step, 0.05, SystemClock(), statement_s=0.3)
    thread = threading.Thread(target=loop.run, kwargs={"stop": stop, "wake": threading.Event()})
    thread.start()
    try:
        assert passed.wait(5)
        assert proxy.silence_all() >= 1
        passed.clear()
        while passed.wait(0.2):
            passed.clear()
        assert passed.wait(6)
    finally:
        stop.set()
        thread.join()


def test_a_statement_that_is_given_up_waits_for_no_lock_any_longer(proxy: TcpProxy, postgres: EmbeddedPostgres) -> None:
    """Else the server would take the lock later, for nobody."""
    Heartbeat.objects.create(name="locked", at=datetime(2026, 1, 1, tzinfo=UTC))
    with psycopg.connect(postgres.dsn_for(connection.settings_dict["NAME"])) as holder:
        holder.execute("SELECT 1 FROM engine_heartbeat FOR UPDATE")
        with statements.limited(0.2), pytest.raises(OperationalError):
            Heartbeat.objects.filter(name="locked").update(name="taken")
        connection.close()
    assert Heartbeat.objects.get().name == "locked"


def test_a_listener_that_leads_nowhere_is_replaced(proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fiatrails.engine.wakeup.POLL_S", 0.05)
    monkeypatch.setattr("fiatrails.engine.wakeup.ASK_AFTER_S", 0.1)
    monkeypatch.setattr("fiatrails.engine.wakeup.ANSWER_S", 0.3)
    monkeypatch.setattr("fiatrails.engine.wakeup.PAUSE_S", 0.05)
    wake = threading.Event()
    listener = Listener([wake])
    listener.start()
    try:
        wake_by_notice(wake)
        proxy.silence_all()
        connection.close()
        wake.clear()
        wake_by_notice(wake)
    finally:
        listener.stop()


def wake_by_notice(wake: threading.Event) -> None:
    deadline = time.monotonic() + 6
    while not wake.wait(0.1):
        notify()
        assert time.monotonic() < deadline, "no notice came"
