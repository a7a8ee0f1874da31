"""Lanes: how they begin, what an operator sees and may repair, and the officer's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import transaction

from fiatrails.chains.evm import registry
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.chains.evm.signer import KeystoreSigner, Signers
from fiatrails.chains.evm.submitter import lanes
from fiatrails.kernel.conf import Config
from fiatrails.kernel.errors import Conflict, Misconfigured, OutsideUnknown
from tests.integration.chains.conftest import Rail

HASH = "0x" + "cd" * 32


def _rebuild(rail: Rail) -> None:
    rail.sql("DELETE FROM evm_lane")
    lanes.ensure_lanes(signers=rail.signers, pool=rail.pool, now=rail.clock.now())


def _next_nonce(rail: Rail) -> int:
    return int(rail.sql("SELECT next_nonce FROM evm_lane WHERE id = %s", rail.lane_id)[0][0])


def test_a_lane_asks_the_chain_for_its_nonce_once(rail: Rail) -> None:
    assert _next_nonce(rail) == rail.chain_nonce()
    rail.sql("UPDATE evm_lane SET next_nonce = next_nonce + 5")
    lanes.ensure_lanes(signers=rail.signers, pool=rail.pool, now=rail.clock.now())
    assert _next_nonce(rail) == rail.chain_nonce() + 5


def test_nonce_override_is_honoured_and_audited(rail: Rail, configure: Callable[..., Config]) -> None:
    configure(nonce_override=rail.chain_nonce() + 2)
    _rebuild(rail)
    assert _next_nonce(rail) == rail.chain_nonce() + 2
    actions = rail.sql("SELECT action FROM controls_audit_record WHERE subject = %s ORDER BY id", rail.executor)
    assert actions[-1] == ("lane.created_with_nonce_override",)


def test_nonce_override_moves_an_existing_lane_up_and_never_down(rail: Rail, configure: Callable[..., Config]) -> None:
    first = rail.chain_nonce()
    for override, expected in ((first + 2, first + 2), (first + 1, first + 2), (first + 2, first + 2)):
        configure(nonce_override=override)
        lanes.ensure_lanes(signers=rail.signers, pool=rail.pool, now=rail.clock.now())
        assert _next_nonce(rail) == expected
    accepted = rail.reserve([rail.order(1)])
    rail.finish()
    assert [(slot[0] - first, slot[1]) for slot in rail.slots()] == [(0, "noop"), (1, "noop"), (2, "settle")]
    assert rail.mints(accepted) == {accepted[0]: 1}
    configure(nonce_override=first + 10_000)
    with pytest.raises(Misconfigured, match="NONCE_OVERRIDE"):
        lanes.ensure_lanes(signers=rail.signers, pool=rail.pool, now=rail.clock.now())


def test_a_gap_is_seen_planned_and_filled_with_no_ops(rail: Rail, configure: Callable[..., Config]) -> None:
    configure(nonce_override=rail.chain_nonce() + 2)
    _rebuild(rail)
    accepted = rail.reserve([rail.order(1)])
    assert rail.tick().held.startswith("nonce_gap")
    assert rail.attempts() == []
    now = rail.clock.now()
    view = next(lane for lane in lanes.show(pool=rail.pool, now=now) if lane.role == "executor")
    assert view.missing == (view.mined, view.mined + 1)
    plan = lanes.repair_plan(pool=rail.pool, now=now)
    assert [(step.action, step.nonces) for step in plan.steps] == [("fill_gap", view.missing)]
    lanes.repair_apply(plan_hash=plan.hash, actor="op", pool=rail.pool, now=now)
    rail.finish()
    assert rail.mints(accepted) == {accepted[0]: 1}
    assert [slot[1] for slot in rail.slots()] == ["noop", "noop", "settle"]
    assert lanes.repair_plan(pool=rail.pool, now=now).steps == ()


def test_a_plan_that_is_no_longer_true_is_refused(rail: Rail, configure: Callable[..., Config]) -> None:
    configure(nonce_override=rail.chain_nonce() + 2)
    _rebuild(rail)
    plan = lanes.repair_plan(pool=rail.pool, now=rail.clock.now())
    rail.send_as(rail.executor, rail.executor, b"", nonce=rail.chain_nonce())
    rail.mine()
    with pytest.raises(Conflict, match="plan_changed"):
        lanes.repair_apply(plan_hash=plan.hash, actor="op", pool=rail.pool, now=rail.clock.now())


def test_a_worker_without_the_key_leaves_the_lane_alone(rail: Rail) -> None:
    rail.reserve([rail.order(1)])
    rail.signers = Signers(())
    assert rail.tick().status == "no_signer"


def test_a_signer_that_cannot_sign_is_said(rail: Rail, tmp_path: Path) -> None:
    rail.reserve([rail.order(1)])
    (tmp_path / "password").write_text("wrong")
    rail.signers = Signers((KeystoreSigner(rail.chain.executor_keystore, tmp_path / "password"),))
    assert rail.tick().held.startswith("keystore_locked: ")
    assert rail.attempts() == []


def test_a_tick_inside_a_transaction_is_refused(rail: Rail) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        rail.tick()


def test_a_strangers_lead_is_planned_away(rail: Rail) -> None:
    for _ in range(3):
        rail.send_as(rail.executor, rail.executor, b"", nonce=rail.chain_nonce())
        rail.mine()
    rail.mine(3)
    plan = lanes.repair_plan(pool=rail.pool, now=rail.clock.now())
    assert [step.action for step in plan.steps] == ["advance"]
    lanes.repair_apply(plan_hash=plan.hash, actor="op", pool=rail.pool, now=rail.clock.now())
    assert _next_nonce(rail) == rail.chain_nonce()


def _run_officer(rail: Rail, slot_id: int) -> registry.CallStatus:
    for _ in range(6):
        lanes.run_lanes(clock=rail.clock, pool=rail.pool, signers=rail.signers, holder=rail.holder)
        rail.mine()
    return registry.call_status(slot_id)


def test_the_officer_updates_the_registry_through_a_lane_of_its_own(rail: Rail) -> None:
    user = rail.user(5000)
    slot_id = registry.enqueue_update(user, 42, HASH, True, now=rail.clock.now())
    assert registry.call_status(slot_id).state == "reserved"
    status = _run_officer(rail, slot_id)
    assert (status.state, status.succeeded, status.error) == ("final", True, "")
    found = registry.read_users([user], pool=rail.pool)[user]
    assert (found.risk_score, found.attestation_hash, found.is_verified, found.is_compliant) == (42, HASH, True, True)
    assert found.is_registered
    assert found.last_updated > 0
    assert rail.slots() == []


def test_an_update_that_the_registry_refuses_fails_with_its_name_and_blocks_nobody(
    rail: Rail, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The service refuses such a score itself; here it lets it through.
    monkeypatch.setattr(registry, "HIGHEST_SCORE", 255)
    bad = registry.enqueue_update(rail.user(1), 200, HASH, True, now=rail.clock.now())
    good = registry.enqueue_update(rail.user(5001), 1, HASH, True, now=rail.clock.now())
    status = _run_officer(rail, good)
    assert status.succeeded is True
    refused = registry.call_status(bad)
    assert (refused.state, refused.succeeded, refused.error) == ("final", False, "InvalidRiskScore")


def test_many_users_are_read_in_one_exchange(rail: Rail) -> None:
    users = [rail.user(number) for number in (1, 2, 424242)]
    found = registry.read_users([*users, users[0].upper().replace("0X", "0x")], pool=rail.pool)
    assert [found[user].is_registered for user in users] == [True, True, False]
    assert [found[user].is_compliant for user in users] == [True, True, False]


def test_a_registry_that_does_not_answer_is_unknown(rail: Rail) -> None:
    with RpcPoolAway() as pool, pytest.raises(OutsideUnknown):
        registry.read_users([rail.user(1)], pool=pool)


class RpcPoolAway:
    """A pool whose only endpoint is not there."""

    def __enter__(self) -> EvmPool:
        self._pool = EvmPool(["http://127.0.0.1:9"], timeout_s=1)
        return self._pool

    def __exit__(self, *_: object) -> None:
        self._pool.close()
