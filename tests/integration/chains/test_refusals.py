"""What the escrow, the chain or a stranger with our key refuses: a code, a finalized block, and only then back."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from fiatrails.chains.evm.contracts.escrow import BatchItem, MintEscrow
from fiatrails.chains.evm.contracts.identifiers import intent_id_of_hash
from fiatrails.chains.evm.submitter import lanes
from tests.integration.chains.conftest import TOKEN, Rail

PAUSE, UNPAUSE = (bytes(keccak(text=f"{name}()")[:4]) for name in ("pause", "unpause"))


def _switch(rail: Rail, data: bytes) -> None:
    """Pauses or unpauses the escrow or sets its limits, as the deployer may."""
    deployer = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    rail.send_as(deployer, rail.escrow, data)
    rail.mine()


def _limit(rail: Rail, *, daily: int) -> None:
    """Sets the escrow's daily limit per user; zero is none."""
    selector = bytes(keccak(text="setLimits(uint96,uint96)")[:4])
    _switch(rail, selector + bytes(32) + daily.to_bytes(32, "big"))


def _strangers_transaction(rail: Rail, to: str, data: bytes = b"") -> None:
    """Somebody else signs with the executor's key."""
    rail.send_as(rail.executor, to, data, nonce=rail.chain_nonce())
    rail.mine()


def test_a_payer_who_is_not_compliant_is_skipped_and_the_batch_goes_on(rail: Rail) -> None:
    good, bad = [rail.order(number) for number in range(3)], rail.order(999)
    rail.reserve([*good, bad])
    rail.finish()
    counts = rail.mints([order.intent_id for order in (*good, bad)])
    assert counts == {**{order.intent_id: 1 for order in good}, bad.intent_id: 0}
    told = {intent: (kind, code) for kind, code, intent in rail.take_all()}
    assert told[bad.intent_id] == ("released", "not_compliant")
    assert {told[order.intent_id] for order in good} == {("executed", "")}


def test_what_would_pass_the_daily_limit_is_skipped_and_told_as_such(rail: Rail) -> None:
    rail.register([rail.user(888)])
    _limit(rail, daily=2 * TOKEN)
    within, beyond, rest = (rail.order(888, amount=amount) for amount in (TOKEN, TOKEN + 1, TOKEN))
    rail.reserve([within, beyond, rest])
    rail.finish()
    _limit(rail, daily=0)
    told = {intent: (kind, code) for kind, code, intent in rail.take_all()}
    assert told[beyond.intent_id] == ("released", "over_daily_limit")
    assert told[within.intent_id] == told[rest.intent_id] == ("executed", "")
    assert list(rail.mints([within.intent_id, beyond.intent_id, rest.intent_id]).values()) == [1, 0, 1]


def test_a_released_intent_may_be_ordered_again_and_is_minted_once(rail: Rail) -> None:
    order = rail.order(777)
    rail.reserve([order])
    rail.finish()
    assert rail.states() == {order.intent_id: "released"}
    rail.register([order.recipient])
    assert rail.reserve([order]) == [order.intent_id]
    rail.finish()
    assert rail.mints([order.intent_id]) == {order.intent_id: 1}


def test_a_paused_escrow_lets_its_orders_wait_outside_and_burns_no_nonce(rail: Rail) -> None:
    before = rail.chain_nonce()
    _switch(rail, PAUSE)
    orders = [rail.order(number) for number in range(3)]
    rail.reserve(orders)
    for _ in range(4):
        rail.tick()
        rail.mine()
    left, kept_out = rail.take_all(), rail.reserve(orders)
    _switch(rail, UNPAUSE)
    assert left == [("released", "contracts_paused", order.intent_id) for order in orders]
    assert (kept_out, rail.attempts(), rail.chain_nonce()) == ([], [], before)
    rail.clock.advance(3)
    lanes.run_lanes(clock=rail.clock, pool=rail.pool, signers=rail.signers, holder=rail.holder)
    accepted = rail.reserve(orders)
    rail.finish()
    assert list(rail.mints([order.intent_id for order in orders]).values()) == [1, 1, 1]
    assert (len(accepted), [(slot[0], slot[1]) for slot in rail.slots()]) == (3, [(before, "settle")])


def test_a_batch_that_reverts_on_chain_is_released_only_when_final(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(number) for number in range(3)])
    rail.tick()
    raw = bytes(rail.sql("SELECT raw FROM evm_attempt")[0][0])
    rail.rpc("anvil_dropAllTransactions")
    _switch(rail, PAUSE)
    rail.rpc("eth_sendRawTransaction", "0x" + raw.hex())
    rail.mine()
    rail.tick()
    assert [slot[2] for slot in rail.slots()] == ["included"]
    assert rail.take_all() == []
    _switch(rail, UNPAUSE)
    rail.finish()
    assert rail.slots()[0][3] == "reverted"
    assert [(kind, code) for kind, code, _ in rail.take_all()] == [("released", "reverted")] * 3
    assert set(rail.mints(accepted).values()) == {0}


def test_an_intent_that_sinks_its_batch_is_left_out_of_it(rail: Rail) -> None:
    good = [rail.order(number) for number in range(3)]
    greedy = rail.order(4, amount=10**10 * TOKEN)  # more than the treasury holds
    rail.reserve([*good[:2], greedy, good[2]])
    rail.finish()
    assert set(rail.mints([order.intent_id for order in good]).values()) == {1}
    told = {intent: (kind, code) for kind, code, intent in rail.take_all()}
    assert told[greedy.intent_id] == ("released", "treasury_short")
    assert len(rail.slots()) == 1


def test_alone_it_leaves_its_nonce_to_the_next_when_the_reason_is_the_treasury(rail: Rail) -> None:
    greedy, small = rail.order(4, amount=10**10 * TOKEN, alone=True), rail.order(5)
    rail.reserve([greedy])
    assert rail.tick().held == ""
    assert rail.take_all() == [("released", "treasury_short", greedy.intent_id)]
    assert rail.reserve([greedy, small]) == [small.intent_id]
    rail.finish()
    assert rail.mints([greedy.intent_id, small.intent_id]) == {greedy.intent_id: 0, small.intent_id: 1}
    assert [slot[1] for slot in rail.slots()] == ["settle"]


def test_a_clearance_that_ran_out_before_signing_mints_nothing(rail: Rail) -> None:
    stale, fresh = rail.order(1, clear_for_s=5), rail.order(2)
    only_stale = rail.order(3, clear_for_s=5, alone=True)
    rail.reserve([stale, fresh, only_stale])
    rail.clock.advance(6)
    rail.finish()
    counts = rail.mints([order.intent_id for order in (stale, fresh, only_stale)])
    assert list(counts.values()) == [0, 1, 0]
    told = {intent: (kind, code) for kind, code, intent in rail.take_all()}
    assert told[stale.intent_id] == told[only_stale.intent_id] == ("released", "clearance_expired")
    assert [slot[1] for slot in rail.slots()] == ["settle", "vacant"]


def test_a_strangers_transaction_on_a_nonce_that_was_never_sent(rail: Rail) -> None:
    accepted = rail.reserve([rail.order(1)])
    _strangers_transaction(rail, rail.executor)
    rail.tick()
    assert [slot[2] for slot in rail.slots()] == ["reserved"]  # not final yet: nothing is concluded
    rail.finish()
    assert [slot[2:] for slot in rail.slots()] == [("final", "usurped")]
    assert rail.attempts() == []
    assert rail.take_all() == [("released", "usurped", accepted[0])]
    order_again = rail.order(2)
    rail.reserve([order_again])
    rail.finish()
    assert rail.mints([order_again.intent_id]) == {order_again.intent_id: 1}


def test_a_strangers_transaction_on_a_published_nonce_releases_and_never_mints_twice(rail: Rail) -> None:
    order = rail.order(1)
    rail.reserve([order])
    rail.tick()
    rail.rpc("anvil_dropAllTransactions")
    _strangers_transaction(rail, rail.executor)
    rail.finish()
    assert rail.slots()[0][3] == "usurped"
    assert [(kind, code) for kind, code, _ in rail.take_all()] == [("released", "usurped")]
    rail.reserve([order])
    rail.finish()
    assert rail.mints([order.intent_id]) == {order.intent_id: 1}


def test_a_stranger_far_ahead_moves_the_lane_past_its_nonces(rail: Rail) -> None:
    rail.reserve([rail.order(1)])
    for _ in range(3):
        _strangers_transaction(rail, rail.executor)
    rail.mine(2)
    rail.finish()
    assert rail.sql("SELECT next_nonce FROM evm_lane WHERE id = %s", rail.lane_id) == [(rail.chain_nonce(),)]


def test_what_a_stranger_executed_for_us_is_read_back_and_counts(rail: Rail) -> None:
    order = rail.order(1)
    rail.reserve([order])
    item = BatchItem(order.intent_id, order.recipient, order.amount, order.tx_ref_hash)
    _strangers_transaction(rail, rail.escrow, MintEscrow.settle_batch([item]))
    rail.finish()
    assert rail.slots()[0][3] == "usurped"
    assert rail.take_all() == [
        ("mined", "already_executed", order.intent_id),
        ("executed", "already_executed", order.intent_id),
    ]
    assert rail.mints([order.intent_id]) == {order.intent_id: 1}


def test_an_id_that_the_escrow_holds_a_deposit_for_is_not_unused(rail: Rail) -> None:
    order = rail.order(1)
    item = BatchItem(order.intent_id, order.recipient, order.amount, order.tx_ref_hash)
    submit = (
        bytes(keccak(text="submitIntentsFor((address,uint256,bytes32)[])")[:4]) + MintEscrow.settle_batch([item])[4:]
    )
    deployer = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    role = bytes(keccak(text="grantRole(bytes32,address)")[:4]) + keccak(text="EXECUTOR_ROLE")
    rail.send_as(deployer, rail.escrow, role + bytes.fromhex(deployer[2:]).rjust(32, b"\0"))
    rail.mine()
    rail.send_as(deployer, rail.escrow, submit)
    rail.mine()
    rail.reserve([order])
    rail.finish()
    assert rail.take_all() == [("released", "escrow_pending", order.intent_id)]


def test_the_escrow_computes_the_ids_that_we_compute(rail: Rail) -> None:
    order = rail.order(1)
    data = keccak(text="computeServiceIntentId(bytes32)")[:4] + bytes.fromhex(order.tx_ref_hash[2:])
    answer = rail.rpc("eth_call", {"to": rail.escrow, "data": "0x" + data.hex()}, "latest")
    ours = intent_id_of_hash(chain_id=31337, escrow=rail.escrow, payer=rail.escrow, tx_ref_word=order.tx_ref_hash)
    assert answer == ours == order.intent_id


@pytest.mark.parametrize("mode", ["read_only", "degraded", "maintenance"])
def test_a_mode_that_stops_submissions_stops_signing_but_not_following(rail: Rail, mode: str) -> None:
    from fiatrails.controls import modes

    def switch(active: bool) -> None:
        now = rail.clock.now()
        modes.set_mode(modes.ModeName(mode), active=active, owner="test", reason="test", expires_at=None, now=now)

    first = rail.reserve([rail.order(1)])
    rail.tick()
    switch(True)
    stops = modes.decide(modes.Flow.SUBMIT, now=rail.clock.now()).mode is not None
    second = rail.reserve([rail.order(2)])
    for _ in range(5):
        rail.step()
    states = rail.states()
    switch(False)
    assert states[first[0]] == "executed"
    assert states[second[0]] == ("live" if stops else "executed")
