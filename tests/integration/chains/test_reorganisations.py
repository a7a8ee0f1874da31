"""A reorganisation takes mints back; the same bytes bring them again, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from fiatrails.chains.core.rpc import Call, RpcError
from fiatrails.chains.evm.pool import EvmPool
from tests.integration.chains.conftest import Rail


class ContradictingNode(EvmPool):
    """A node whose head names a parent that it does not have, as anvil does after a race of its own."""

    def batch(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        """The answers, the head's parent forged."""
        answers = super().batch(calls)
        for call, answer in zip(calls, answers, strict=True):
            if call.method == "eth_getBlockByNumber" and call.params[0] == "latest":
                answer["parentHash"] = "0x" + "ee" * 32
        return answers


@pytest.fixture
def contradicting(rail: Rail) -> Iterator[Callable[[], None]]:
    """Turns the rail's node into one that contradicts itself; once more makes it sound again."""
    sound = rail.pool
    liar = ContradictingNode([rail.chain.anvil.url], timeout_s=3)

    def turn() -> None:
        rail.pool = sound if rail.pool is liar else liar

    yield turn
    rail.pool = sound
    liar.close()


def _mined(rail: Rail, count: int = 3) -> list[str]:
    accepted = rail.reserve([rail.order(number) for number in range(count)])
    rail.tick()
    rail.mine()
    rail.tick()
    assert set(rail.states().values()) == {"mined"}
    return accepted


def _reorganise(rail: Rail, depth: int) -> None:
    before = rail.head()["hash"]
    rail.rpc("evm_increaseTime", 7)  # a block like the old one in every respect would have its hash
    rail.rpc("anvil_reorg", depth, [])
    assert rail.head()["hash"] != before  # foundry 10809: it may change nothing


def test_a_dropped_inclusion_returns_to_published_and_is_mined_again_with_the_same_bytes(rail: Rail) -> None:
    accepted = _mined(rail)
    assert [kind for kind, _, _ in rail.take_all()] == ["mined"] * 3
    _reorganise(rail, 1)
    assert rail.chain_nonce() == rail.slots()[0][0]  # the nonce went back, and nothing waits in the node's pool
    report = rail.tick()
    assert (report.reorganised, report.rebroadcast) == (1, 1)
    assert [kind for kind, _, _ in rail.take_all()] == ["unmined"] * 3
    rail.finish()
    assert set(rail.mints(accepted).values()) == {1}
    assert len(rail.attempts()) == 1
    assert [kind for kind, _, _ in rail.take_all()] == ["mined"] * 3 + ["executed"] * 3


def test_a_mined_that_was_undone_before_anybody_asked_is_not_told(rail: Rail) -> None:
    _mined(rail)
    _reorganise(rail, 1)
    rail.tick()
    assert rail.take_all() == []
    rail.finish()
    assert [kind for kind, _, _ in rail.take_all()] == ["mined"] * 3 + ["executed"] * 3


def test_a_reorganisation_that_keeps_the_transaction_moves_the_inclusion(rail: Rail) -> None:
    accepted = _mined(rail)
    raw = rail.sql("SELECT raw FROM evm_attempt")[0][0]
    old = rail.sql("SELECT block_hash FROM evm_nonce_slot")[0][0]
    rail.rpc("anvil_reorg", 2, [["0x" + bytes(raw).hex(), 0]])
    rail.tick()
    rail.tick()
    new = rail.sql("SELECT block_hash FROM evm_nonce_slot")[0][0]
    assert new not in ("", old)
    rail.finish()
    assert set(rail.mints(accepted).values()) == {1}
    assert rail.sql("SELECT count(*) FROM evm_inclusion") == [(2,)]


def test_a_chain_of_many_new_blocks_is_linked_before_anything_is_final(rail: Rail) -> None:
    _mined(rail)
    rail.mine(150)
    rail.finish()
    assert set(rail.states().values()) == {"executed"}
    numbers = [row[0] for row in rail.sql("SELECT number FROM evm_block WHERE canonical ORDER BY number")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_reorganisation_under_load_loses_and_doubles_nothing(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(number % 20) for number in range(300)])
    for depth in (1, 2, 1):
        rail.clock.advance(2)
        rail.step()
        rail.reserve([rail.order(number) for number in range(depth)])
        rail.step()
        _reorganise(rail, depth)
    rail.finish(within_s=60)
    assert set(rail.mints(list(rail.states())).values()) == {1}
    told = rail.take_all()
    executed = [intent for kind, _, intent in told if kind == "executed"]
    assert sorted(executed) == sorted(rail.states())
    assert set(accepted) < set(executed)


def test_a_reorganisation_deeper_than_finality_is_healed_by_the_same_bytes(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(1)])
    rail.finish()
    depth = int(rail.head()["number"], 16) - rail.sql("SELECT block_number FROM evm_nonce_slot")[0][0] + 1
    _reorganise(rail, depth)
    assert rail.mints(accepted) == {accepted[0]: 0}
    rail.clock.advance(5)
    report = rail.tick()
    assert report.notes == ["nonce_rewound"]
    rail.mine()
    assert rail.mints(accepted) == {accepted[0]: 1}
    later = rail.reserve([rail.order(2)])
    rail.finish()
    assert rail.mints(later) == {later[0]: 1}


def test_a_shorter_chain_takes_back_what_was_above_it(rail: Rail) -> None:
    first = _mined(rail, 1)
    second = rail.reserve([rail.order(5)])
    rail.tick()
    rail.mine()
    rail.tick()
    rail.rpc("anvil_rollback", 2)
    rail.mine()  # another block at the height of the first inclusion, and nothing yet at that of the second
    rail.tick()
    assert [slot[2] for slot in rail.slots()] == ["published", "published"]
    rail.finish()
    assert set(rail.mints(first + second).values()) == {1}


def test_a_node_whose_blocks_contradict_each_other_makes_nothing_final_and_the_lane_says_so(
    rail: Rail, contradicting: Callable[[], None]
) -> None:
    accepted = _mined(rail)
    contradicting()
    rail.mine(5)
    assert rail.tick().held.startswith("unlinked")
    assert set(rail.states().values()) == {"mined"}
    assert "unlinked" in rail.sql("SELECT held FROM evm_lane WHERE id = %s", rail.lane_id)[0][0]
    contradicting()
    rail.finish()
    assert set(rail.mints(accepted).values()) == {1}
    assert rail.sql("SELECT held FROM evm_lane WHERE id = %s", rail.lane_id) == [("",)]


def test_no_price_is_raised_for_a_nonce_that_waits_behind_a_loss_not_noticed_yet(
    rail: Rail, contradicting: Callable[[], None], adjust_evm: Callable[..., None]
) -> None:
    adjust_evm(bump_after_blocks=2)
    first = _mined(rail)
    second = rail.reserve([rail.order(5)])
    rail.tick()
    rail.rpc("anvil_dropAllTransactions")
    contradicting()
    _reorganise(rail, 1)
    for _ in range(4):
        rail.mine()
        assert rail.tick().bumped == 0
    assert len(rail.attempts()) == 2
    contradicting()
    rail.finish()
    assert set(rail.mints(first + second).values()) == {1}
