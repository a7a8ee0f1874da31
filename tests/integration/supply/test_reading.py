"""Redemptions, burns and mints for deposits are in the books, each once, whatever happens while they are read."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from fiatrails.chains.core.supply import SupplyPage
from fiatrails.chains.evm.chain import EvmChain
from fiatrails.chains.evm.contracts import supply as events
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.ledger.models import Entry
from fiatrails.ledger.verify import equation, verify
from fiatrails.purchases.models import SupplyCursor
from fiatrails.purchases.supply import read_all, read_page
from tests.integration.chains.test_lanes import RpcPoolAway
from tests.integration.supply.conftest import CHAIN, World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def holder(world: World) -> str:
    """Somebody who bought ten tokens."""
    user = world.rail.user(1)
    world.mint("TX-1", user=user, tokens=10)
    return user


def test_a_redemption_is_booked_once_however_often_it_is_read(world: World, holder: str) -> None:
    world.redeem(3, user=holder)
    world.finalize()
    before = equation("KES")
    world.read()
    assert world.booked() == (7, 7, 0)
    SupplyCursor.objects.all().delete()
    world.read()
    world.read()
    assert (world.booked(), world.entries()) == ((7, 7, 0), ["redemption"])
    assert equation("KES") == before
    assert verify().ok
    entry = Entry.objects.get(kind="redemption")
    assert entry.key.startswith("redemption:evm:31337:0x")
    assert holder in entry.memo
    assert world.findings() == {}


def test_a_burn_keeps_its_backing(world: World, holder: str) -> None:
    world.burn(4, user=holder)
    world.finalize()
    world.read()
    assert (world.booked(), world.entries()) == ((6, 10, 4), ["burn"])
    assert world.findings() == {}


def test_a_burn_of_nothing_is_passed_over(world: World, holder: str) -> None:
    world.burn(0, user=holder)
    world.burn(1, user=holder)
    world.finalize()
    world.read()
    assert (world.booked(), world.entries()) == ((9, 10, 1), ["burn"])


def test_a_mint_for_a_deposit_is_booked_as_made_outside(world: World, holder: str) -> None:
    reference = world.deposit("OWN-1", user=world.rail.user(2), tokens=5)
    world.finalize()
    assert world.findings() == {}
    world.execute(reference)
    world.finalize()
    world.read()
    assert (world.booked(), world.entries()) == ((15, 15, 0), ["outside_mint"])
    assert Entry.objects.get(kind="outside_mint").reference == reference
    assert world.findings() == {}


def test_two_redemptions_and_a_burn_in_one_transaction_are_told_apart(world: World) -> None:
    redeem, burn = world.redeeming(2, to=world.admin), world.burning(2)
    calls = [(world.token, world.approved()), (world.escrow, redeem), (world.token, burn), (world.escrow, redeem)]
    contract = world.contract(calls)
    world.mint("TX-2", user=contract, tokens=10)
    world.send(world.admin, contract, b"")
    world.finalize()
    world.read()
    assert sorted(world.entries()) == ["burn", "redemption", "redemption"]
    assert world.booked() == (4, 6, 2)
    assert world.findings() == {}


def test_nothing_of_a_block_that_is_not_final_is_booked(world: World, holder: str) -> None:
    world.finalize()
    world.redeem(3, user=holder)
    world.rail.mine()
    world.read()
    assert (world.booked(), world.place) == ((10, 10, 0), world.head - 2)
    world.rail.mine()
    world.read()
    assert (world.booked(), world.place) == ((7, 7, 0), world.head - 2)


def test_by_the_rule_of_depth_nothing_above_it_is_booked(world: World, holder: str, adjust_evm: Any) -> None:
    adjust_evm(finality="depth", confirmations=5)
    world.redeem(3, user=holder)
    world.rail.mine(4)
    world.read()
    assert (world.booked(), world.place) == ((10, 10, 0), world.head - 5)
    world.rail.mine()
    world.read()
    assert world.booked() == (7, 7, 0)


def test_a_node_that_does_not_answer_leaves_cursor_and_books(world: World, holder: str) -> None:
    world.read()
    before = world.place, world.booked()
    world.redeem(3, user=holder)
    world.finalize()
    with RpcPoolAway() as away, pytest.raises(OutsideUnknown):
        read_all(CHAIN, pool=away, clock=world.rail.clock)
    assert (world.place, world.booked()) == before
    world.read()
    assert world.booked() == (7, 7, 0)


def test_a_kill_between_the_entries_and_the_cursor_leaves_neither(
    world: World, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.redeem(3, user=holder)
    world.finalize()

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(SupplyCursor, "save", killed)
        with pytest.raises(SystemExit):
            world.read()
    assert (world.place, world.entries()) == (-1, [])
    world.read()
    assert (world.booked(), world.entries()) == ((7, 7, 0), ["redemption"])


def test_two_workers_at_once_post_once(world: World, holder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world.redeem(3, user=holder)
    world.finalize()
    both_have_read = threading.Barrier(2, timeout=20)
    moved: list[int] = []
    read = EvmChain.supply_changes

    def slow(chain: EvmChain, after: int, *, pool: Any) -> SupplyPage:
        page = read(chain, after, pool=pool)
        both_have_read.wait()
        return page

    def work() -> None:
        read_page(CHAIN, pool=world.rail.pool, clock=world.rail.clock)
        moved.append(world.place)
        connection.close()

    monkeypatch.setattr(EvmChain, "supply_changes", slow)
    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert moved == [world.head - 2] * 2
    assert (world.booked(), world.entries()) == ((7, 7, 0), ["redemption"])


def test_a_worker_that_was_slow_does_not_move_the_cursor_back(
    world: World, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.read()
    old = CHAIN.supply_changes(-1, pool=world.rail.pool)
    world.redeem(3, user=holder)
    world.finalize()
    read = EvmChain.supply_changes

    def overtaken(chain: EvmChain, after: int, *, pool: Any) -> SupplyPage:
        monkeypatch.setattr(EvmChain, "supply_changes", read)
        world.read()
        return SupplyPage(after + 1, complete=False, changes=old.changes)

    monkeypatch.setattr(EvmChain, "supply_changes", overtaken)
    read_page(CHAIN, pool=world.rail.pool, clock=world.rail.clock)
    assert (world.place, world.booked()) == (world.head - 2, (7, 7, 0))


def test_a_long_history_is_read_in_several_calls_and_ranges(
    world: World, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.redeem(3, user=holder)
    world.rail.mine(7)
    world.burn(1, user=holder)
    world.finalize()
    monkeypatch.setattr(events, "BLOCKS_PER_QUERY", 3)
    monkeypatch.setattr(events, "BLOCKS_A_CALL", 6)
    assert not read_all(CHAIN, pool=world.rail.pool, clock=world.rail.clock, max_pages=1)
    assert world.place == world.rail.contracts.block + 5
    world.read()
    assert (world.booked(), world.place) == ((6, 7, 1), world.head - 2)
    assert world.findings() == {}
