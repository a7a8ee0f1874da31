"""A send whose fate is unknown, refused or lost: identical bytes again, never a second nonce."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fiatrails.chains.evm.pool import EvmPool
from tests.integration.chains.conftest import Rail, call
from tests.kit.ports import free_port
from tests.kit.processes import python_module


class Line:
    """A faulty line to the node."""

    def __init__(self, url: str) -> None:
        self.url = url

    def faults(self, **wanted: object) -> None:
        """Switches faults; the others end."""
        import httpx

        httpx.post(f"{self.url}/_faults", json={"reset": True, **wanted}, trust_env=False).raise_for_status()


@contextmanager
def faulty_line(rail: Rail, seed: str = "1") -> Iterator[Line]:
    """Puts a proxy between the rail and its node."""
    url = f"http://127.0.0.1:{free_port()}"
    arguments = ["--upstream", rail.chain.anvil.url, "--port", url.rsplit(":", 1)[1], "--seed", seed]
    with python_module("tests.kit.rpc_proxy", arguments, ready_url=f"{url}/_stats"):
        before, rail.pool = rail.pool, EvmPool([url], timeout_s=3)
        try:
            yield Line(url)
        finally:
            rail.pool.close()
            rail.pool = before


def test_a_lost_reply_is_ambiguous_and_mints_once(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(number) for number in range(5)])
    with faulty_line(rail) as line:
        line.faults(drop_reply_rate=1.0, methods=["eth_sendRawTransaction"])
        rail.tick()
        assert rail.sql("SELECT state FROM evm_attempt") == [("ambiguous",)]
        assert rail.sql("SELECT DISTINCT outcome FROM evm_broadcast") == [("ambiguous",)]
        line.faults()
        rail.finish()
    assert set(rail.mints(accepted).values()) == {1}
    assert len(rail.attempts()) == 1


def test_a_lost_request_is_sent_again_as_it_was(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(1)])
    with faulty_line(rail) as line:
        line.faults(drop_request_rate=1.0, methods=["eth_sendRawTransaction"])
        rail.tick()
        rail.mine()
        line.faults()
        rail.clock.advance(2)
        assert rail.tick().rebroadcast == 1
        rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}
    assert len(rail.attempts()) == 1


def test_a_transaction_that_the_node_dropped_is_sent_again(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(1)])
    rail.tick()
    rail.rpc("anvil_dropAllTransactions")
    rail.mine()
    rail.clock.advance(2)
    assert rail.tick().rebroadcast == 1
    rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}
    assert len(rail.attempts()) == 1


@pytest.mark.usefixtures("on_live_chain")
def test_a_bad_line_under_load_mints_everything_once(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(number % 20) for number in range(600)])
    with faulty_line(rail, seed="storm") as line:
        line.faults(drop_request_rate=0.2, drop_reply_rate=0.3)
        rail.finish(within_s=120)
    assert set(rail.mints(accepted).values()) == {1}
    assert rail.sql("SELECT count(*), count(DISTINCT slot_id) FROM evm_slot_intent") == [(600, 6)]


def test_a_receipt_that_is_denied_proves_nothing(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(1)])
    rail.tick()
    rail.mine(4)
    with faulty_line(rail) as line:
        line.faults(lying_receipt={"hashes": rail.attempts()})
        report = rail.tick()
        assert (report.included, report.rebroadcast, report.bumped) == (0, 0, 0)
        line.faults()
        rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}


def test_an_rpc_that_is_away_is_said_and_burns_nothing(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(1)])
    with faulty_line(rail) as line:
        line.faults(down=True)
        for _ in range(3):
            assert rail.tick().held.startswith("rpc_no_answer: no RPC endpoint answered")
        ((held,),) = rail.sql("SELECT held FROM evm_lane WHERE id = %s", rail.lane_id)
        assert held.startswith("rpc_no_answer: no RPC endpoint answered eth_getBlockByNumber")
        assert rail.attempts() == []
        line.faults()
        rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}
    assert rail.sql("SELECT held, held_since FROM evm_lane WHERE id = %s", rail.lane_id) == [("", None)]


def test_a_signer_without_money_waits_and_nothing_is_sent_beyond_it(rail: Rail) -> None:
    balance = rail.rpc("eth_getBalance", rail.executor, "latest")
    rail.rpc("anvil_setBalance", rail.executor, "0x1")
    try:
        first = rail.reserve([rail.order(1)])
        assert rail.tick().held.startswith("no_funds")
        # As if it had been reserved a moment before: a lane that holds takes no more.
        rail.sql("UPDATE evm_lane SET held = '' WHERE id = %s", rail.lane_id)
        second = rail.reserve([rail.order(2)])
        assert rail.tick().held.startswith("no_funds")
        # Law 8: the second nonce is not even signed while the first was never taken by a node.
        assert len(rail.attempts()) == 1
        assert [slot[2] for slot in rail.slots()] == ["reserved", "reserved"]
    finally:
        rail.rpc("anvil_setBalance", rail.executor, balance)
    rail.finish()
    assert set(rail.mints(first + second).values()) == {1}
    assert len(rail.attempts()) == 2


def test_nonce_too_low_leads_to_the_receipts_and_not_to_another_nonce(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(1)])
    rail.tick()
    rail.mine()
    # As after a crash between the send and its record.
    rail.sql("UPDATE evm_nonce_slot SET state = 'reserved', published_at = NULL, last_sent_at = NULL")
    raw = bytes(rail.sql("SELECT raw FROM evm_attempt")[0][0])
    replies = rail.pool.broadcast([raw])
    assert replies[0][0].error is not None
    rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}
    assert len(rail.attempts()) == 1


def test_a_node_that_says_duplicate_holds_the_bytes(rail: Rail) -> None:
    rail.reserve([rail.order(1)])
    rail.tick()
    raw = bytes(rail.sql("SELECT raw FROM evm_attempt")[0][0])
    error = rail.pool.broadcast([raw])[0][0].error
    assert error is not None
    assert "already" in error.message
    call(rail.chain.anvil.url, "anvil_dropAllTransactions")
    rail.clock.advance(2)
    rail.finish()
