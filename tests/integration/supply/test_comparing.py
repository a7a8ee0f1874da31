"""Supply, backing and coins of the escrow are compared with the books at one place, and what differs has a name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from eth_utils.crypto import keccak

from fiatrails.engine.models import DeadLetter
from fiatrails.local.toolchain import PROJECT_ROOT
from fiatrails.operations import supply as jobs
from fiatrails.operations.invariants import supply as comparing
from fiatrails.operations.invariants.supply import BookedSupply, Comparison, Figures, compare, supply_report
from fiatrails.operations.replay import replay_item
from fiatrails.purchases.models import SupplyCursor
from tests.integration.chains.conftest import TOKEN
from tests.integration.chains.test_lanes import RpcPoolAway
from tests.integration.supply.conftest import CHAIN, World

pytestmark = pytest.mark.django_db(transaction=True)
SUPPLY, BACKING = "tokens in circulation = ledger", "backing of the tokens = ledger"
COINS = "the escrow holds what it owes"


@pytest.fixture
def holder(world: World) -> str:
    """Somebody who bought ten tokens."""
    user = world.rail.user(1)
    world.mint("TX-1", user=user, tokens=10)
    return user


@pytest.fixture(autouse=True)
def jobs_ask_the_chain_of_the_test(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "default_pool", lambda: world.rail.pool)


def compared(world: World) -> Comparison:
    [found] = compare(CHAIN, pool=world.rail.pool)
    return found


def test_tokens_of_a_foreign_minter_are_named_with_both_figures(world: World, holder: str) -> None:
    world.mint_without_backing(5, to=holder)
    world.finalize()
    findings = world.findings()
    assert findings == {SUPPLY: (f"KES: chain {15 * TOKEN}, ledger {10 * TOKEN} at {world.place}",)}
    world.redeem(4, user=holder)
    world.finalize()
    assert world.findings() == {SUPPLY: (f"KES: chain {11 * TOKEN}, ledger {6 * TOKEN} at {world.place}",)}


def test_coins_taken_from_the_escrow_are_named_with_both_figures(world: World, holder: str) -> None:
    world.take_coins(3)
    world.finalize()
    expected = f"KES: holds {7 * TOKEN} of {world.coin}, owes {10 * TOKEN} at {{}}"
    assert world.findings() == {COINS: (expected.format(world.place),)}


def test_coins_of_deposits_that_wait_are_owed_too(world: World, holder: str) -> None:
    world.deposit("OWN-1", user=world.rail.user(2), tokens=5)
    world.take_coins(3)
    world.finalize()
    [offender] = world.findings()[COINS]
    assert offender.startswith(f"KES: holds {12 * TOKEN} of {world.coin}, owes {15 * TOKEN}")


def test_backing_that_changed_without_an_event_is_named_with_both_figures(world: World, holder: str) -> None:
    # `_liabilities` of the escrow: pending in the lower half of the word, backing in the upper.
    key = bytes.fromhex(world.coin[2:].rjust(64, "0")) + liabilities_slot().to_bytes(32, "big")
    word = f"0x{8 * TOKEN << 128:064x}"
    world.rail.rpc("anvil_setStorageAt", world.escrow, "0x" + keccak(key).hex(), word)
    world.finalize()
    assert world.findings() == {BACKING: (f"KES: chain {8 * TOKEN}, ledger {10 * TOKEN} at {world.place}",)}


def liabilities_slot() -> int:
    layout = json.loads((PROJECT_ROOT / "contracts/storage-layout/MintEscrow.json").read_text())
    return next(int(each["slot"]) for each in layout["slots"] if each["name"] == "_liabilities")


def test_a_final_mint_that_its_purchase_has_not_heard_of_is_no_difference(world: World, holder: str) -> None:
    world.submit(world.purchase("TX-2", user=holder, tokens=5))
    world.finalize()
    assert world.findings() == {}
    assert world.booked() == (10, 10, 0)
    assert compared(world).supply == Figures(15 * TOKEN, 15 * TOKEN)
    world.collect()
    assert (world.findings(), world.booked()) == ({}, (15, 15, 0))


def test_an_order_that_the_chain_has_not_executed_is_no_difference(world: World, holder: str) -> None:
    intent = world.purchase("TX-2", user=holder, tokens=5)
    while intent.state != "submitting":
        world.advance()
        intent.refresh_from_db()
    assert world.findings() == {}


def test_a_mint_that_is_booked_beyond_the_place_of_the_comparison_is_no_difference(world: World, holder: str) -> None:
    world.finalize()
    world.read()
    before = world.place
    world.mint("TX-2", user=holder, tokens=5)
    assert (compared(world).place, compared(world).differences) == (before, {})
    assert compared(world).supply == Figures(10 * TOKEN, 10 * TOKEN)


def test_the_backing_counts_every_coin_that_was_ever_in_use(world: World, holder: str) -> None:
    other = world.second_coin()
    world.execute(world.deposit("OWN-1", user=world.rail.user(2), tokens=5, coin=other))
    world.finalize()
    assert world.findings() == {}
    found = compared(world)
    assert found.backing == Figures(15 * TOKEN, 15 * TOKEN)
    assert {coin.coin: coin.held for coin in found.coins} == {world.coin: 10 * TOKEN, other: 5 * TOKEN}
    assert SupplyCursor.objects.get().coins == sorted([["KES", world.coin], ["KES", other]])


def test_the_report_shows_books_and_chain_and_how_far_it_was_read(world: World, holder: str) -> None:
    world.redeem(3, user=holder)
    world.burn(2, user=holder)
    world.execute(world.deposit("OWN-1", user=world.rail.user(2), tokens=5))
    world.finalize()
    assert supply_report(pool=world.rail.pool).assets[0][1] is None
    world.read()
    report = supply_report(pool=world.rail.pool)
    [(booked, found)] = report.assets
    assert booked == BookedSupply(
        "KES", circulating=10 * TOKEN, redeemed=3 * TOKEN, burned=2 * TOKEN, outside=5 * TOKEN, backing=12 * TOKEN
    )
    assert found is not None
    assert found.backing == Figures(12 * TOKEN, 12 * TOKEN)
    assert report.read_to == {"evm:31337": world.place}
    with RpcPoolAway() as away:
        assert supply_report(pool=away).assets == [(booked, None)]


# -- the alarm ---------------------------------------------------------------------------------------------------


def letters(state: str) -> list[tuple[str, str]]:
    return list(DeadLetter.objects.filter(state=state).values_list("operation", "subject"))


def test_the_alarm_opens_with_both_figures_and_closes_when_they_agree_again(world: World, holder: str) -> None:
    assert jobs.compare_job(world.rail.clock) == "evm:31337: 0 of 1 differ"
    world.take_coins(3)
    world.finalize()
    assert jobs.compare_job(world.rail.clock) == "evm:31337: 1 of 1 differ"
    assert jobs.compare_job(world.rail.clock) == "evm:31337: 1 of 1 differ"
    letter = DeadLetter.objects.get()
    assert (letter.operation, letter.subject, letter.state) == ("compareSupply", "KES", "open")
    assert f"holds {7 * TOKEN} of {world.coin}, owes {10 * TOKEN}" in letter.last_error
    assert "ledger reconcile" in replay_item(item_id=str(letter.pk), actor="ops", now=world.rail.clock.now()).why
    world.send(world.admin, world.coin, world.giving_back(3))
    world.finalize()
    assert jobs.compare_job(world.rail.clock) == "evm:31337: 0 of 1 differ"
    assert (letters("open"), letters("resolved")) == ([], [("compareSupply", "KES")])


@pytest.fixture
def comparisons(world: World, holder: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What the next comparisons find, instead of the chain's own figures."""

    def play(*supplies: int) -> None:
        world.read()
        real = compared(world)
        answers: Iterator[int] = iter(supplies)
        monkeypatch.setattr(
            jobs, "compare", lambda *_, **__: [replace(real, supply=Figures(next(answers), real.supply.books))]
        )

    return play


def test_a_difference_that_the_next_comparison_does_not_show_raises_nothing(
    world: World, comparisons: Callable[..., None]
) -> None:
    comparisons(9 * TOKEN, 10 * TOKEN)
    assert jobs.compare_job(world.rail.clock) == "evm:31337: 0 of 1 differ"
    assert letters("open") == []


def test_an_alarm_that_stands_closes_with_the_first_comparison_that_agrees(
    world: World, comparisons: Callable[..., None]
) -> None:
    comparisons(9 * TOKEN, 9 * TOKEN, 10 * TOKEN)
    assert jobs.compare_job(world.rail.clock) == "evm:31337: 1 of 1 differ"
    assert jobs.compare_job(world.rail.clock) == "evm:31337: 0 of 1 differ"
    assert letters("resolved") == [("compareSupply", "KES")]


def test_a_chain_that_does_not_answer_neither_opens_nor_closes_the_alarm(
    world: World, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.take_coins(3)
    world.finalize()
    jobs.compare_job(world.rail.clock)
    with RpcPoolAway() as away:
        monkeypatch.setattr(jobs, "default_pool", lambda: away)
        assert jobs.read_job(world.rail.clock) == "evm:31337 unknown: rpc_no_answer"
        assert jobs.compare_job(world.rail.clock) == "evm:31337 unknown: rpc_no_answer"
    assert letters("open") == [("compareSupply", "KES")]


def test_nothing_is_compared_while_old_blocks_are_being_read(
    world: World, holder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.take_coins(3)
    world.finalize()
    monkeypatch.setattr("fiatrails.chains.evm.contracts.supply.BLOCKS_A_CALL", 1)
    assert jobs.compare_job(world.rail.clock) == "evm:31337 is still being read"
    assert letters("open") == []
    assert jobs.read_job(world.rail.clock) == f"evm:31337 read to {world.place}"


def test_without_a_reading_there_is_nothing_to_compare(world: World) -> None:
    assert compare(CHAIN, pool=world.rail.pool) == []
    assert comparing.booked_supply() == []
