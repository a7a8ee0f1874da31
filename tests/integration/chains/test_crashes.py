"""A worker dies between any two steps, or wakes up too late: the next tick of anybody goes on, with the same bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import connection

from fiatrails.chains.core.rpc import Call
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.chains.evm.submitter import concluding, lanes, sending, tracking
from fiatrails.kernel.errors import StaleFence
from tests.integration.chains.conftest import Rail


class Crash(BaseException):
    """The process is gone: nothing catches this."""


def _crash_in(monkeypatch: pytest.MonkeyPatch, rail: Rail, module: object, name: str, *, after: bool = False) -> None:
    """One tick that dies at the call of `name`, or right after it; then the code is whole again."""
    original = getattr(module, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if after:
            original(*args, **kwargs)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(module, name, dying)
        with pytest.raises(Crash):
            rail.tick()


GAPS = [
    (sending, "_commit", False, "planned, nothing signed"),
    (sending, "_commit", True, "signed and committed, nothing sent"),
    (EvmPool, "broadcast", False, "about to send"),
    (EvmPool, "broadcast", True, "sent, the outcome not recorded"),
    (sending, "_record", True, "the outcome recorded"),
]


@pytest.mark.parametrize(("module", "name", "after", "why"), GAPS, ids=[gap[3] for gap in GAPS])
def test_a_crash_while_publishing(
    rail: Rail, monkeypatch: pytest.MonkeyPatch, module: object, name: str, after: bool, why: str
) -> None:
    accepted = rail.reserve([rail.order(number) for number in range(3)])
    _crash_in(monkeypatch, rail, module, name, after=after)
    signed = rail.attempts()
    rail.mine()
    rail.holder = "worker-2"
    rail.clock.advance(5)
    rail.finish()
    assert set(rail.mints(accepted).values()) == {1}
    assert len(rail.attempts()) == 1
    assert rail.attempts()[: len(signed)] == signed  # what was committed is what was sent


@pytest.mark.parametrize(
    ("module", "name"), [(tracking, "_record"), (concluding, "_write_ends"), (concluding, "_write_intents")]
)
def test_a_crash_while_following(rail: Rail, monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
    accepted = rail.reserve([rail.order(number) for number in range(3)])
    rail.tick()
    rail.mine()
    if module is concluding:
        rail.mine(2)
    _crash_in(monkeypatch, rail, module, name)
    rail.holder = "worker-2"
    rail.clock.advance(5)
    rail.finish()
    assert set(rail.mints(accepted).values()) == {1}
    assert [kind for kind, _, _ in rail.take_all()] == ["mined"] * 3 + ["executed"] * 3


def test_another_worker_waits_for_the_lease_of_a_dead_one(rail: Rail, monkeypatch: pytest.MonkeyPatch) -> None:
    rail.reserve([rail.order(1)])
    with monkeypatch.context() as patch:
        patch.setattr(lanes.lease.LaneLease, "release", lambda self: None)  # SIGKILL runs no finally
        _crash_in(monkeypatch, rail, sending, "_commit")
    rail.holder = "worker-2"
    assert rail.tick().status == "busy"
    rail.clock.advance(3)
    assert rail.tick().signed == 1


class Thief(EvmPool):
    """A pool during one of whose calls another worker takes the lane."""

    def __init__(self, pool: EvmPool, rail: Rail, method: str) -> None:
        self.__dict__.update(pool.__dict__)
        self._rail, self._method, self.sent = rail, method, 0

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        answers = super().batch(calls)
        if any(call.method == self._method for call in calls):
            self._rail.sql("UPDATE evm_lane SET fence = fence + 1, holder = 'thief'")
        return answers

    def broadcast(self, raws: Sequence[bytes], *, everywhere: bool = False) -> list[Any]:
        self.sent += len(raws)
        return super().broadcast(raws, everywhere=everywhere)


@pytest.mark.parametrize("method", ["eth_feeHistory", "eth_estimateGas"])
def test_a_worker_that_lost_its_lane_signs_and_sends_nothing(rail: Rail, method: str) -> None:
    rail.reserve([rail.order(1)])
    thief = Thief(rail.pool, rail, method)
    with pytest.raises(StaleFence):
        lanes.tick(rail.lane_id, clock=rail.clock, pool=thief, signers=rail.signers, holder="zombie")
    assert thief.sent == 0
    assert rail.attempts() == []


def test_a_worker_that_lost_its_lane_records_nothing(rail: Rail) -> None:
    rail.reserve([rail.order(1)])
    rail.tick()
    rail.mine(3)
    thief = Thief(rail.pool, rail, "eth_getTransactionReceipt")
    with pytest.raises(StaleFence):
        lanes.tick(rail.lane_id, clock=rail.clock, pool=thief, signers=rail.signers, holder="zombie")
    assert rail.slots()[0][2] == "published"
    assert rail.sql("SELECT count(*) FROM evm_inclusion") == [(0,)]


def test_every_lease_raises_the_fence(rail: Rail) -> None:
    rail.reserve([rail.order(1)])
    before = rail.sql("SELECT fence FROM evm_lane WHERE id = %s", rail.lane_id)[0][0]
    rail.tick()
    rail.tick()
    assert rail.sql("SELECT fence FROM evm_lane WHERE id = %s", rail.lane_id)[0][0] == before + 2


@pytest.fixture
def two_workers(rail: Rail) -> Iterator[list[BaseException]]:
    """Two threads that tick the same lane as fast as they can."""
    stop, failures = threading.Event(), []

    def work(name: str) -> None:
        try:
            while not stop.is_set():
                lanes.run_lanes(clock=rail.clock, pool=rail.pool, signers=rail.signers, holder=name)
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    yield failures
    stop.set()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("on_live_chain")
def test_two_workers_share_a_lane_and_mint_once(rail: Rail, two_workers: list[BaseException]) -> None:
    accepted = rail.reserve([rail.order(number % 20) for number in range(500)])
    rail.until(rail.settled, within_s=60)
    assert set(rail.mints(accepted).values()) == {1}
    assert len(rail.attempts()) == 5
    assert two_workers == []
