"""A wallet with a case is not compliant on chain, and is again when the case is ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fiatrails.chains.evm import registry
from fiatrails.chains.evm.registry import enqueue_update
from fiatrails.compliance.models import Case, Suspension
from fiatrails.compliance.sanctions import suspensions
from fiatrails.controls.models import AuditRecord
from fiatrails.engine import dead_letters
from fiatrails.kernel.errors import OutsideUnknown
from tests.integration.chains.conftest import Rail
from tests.integration.chains.suspension_kit import (
    FINDING,
    on_chain,
    open_case,
    release_case,
    screening_is_on,
    settle,
    step,
)

pytestmark = pytest.mark.usefixtures("screening_is_on")
__all__ = ["screening_is_on"]


def test_a_case_takes_compliance_away_and_its_release_gives_it_back(rail: Rail) -> None:
    user = rail.user(1)
    before = on_chain(rail, user)
    assert before.is_compliant
    case = open_case(rail, user)
    settle(rail)
    assert (on_chain(rail, user).is_compliant, on_chain(rail, user).risk_score) == (False, before.risk_score)
    release_case(rail, case)
    settle(rail)
    after = on_chain(rail, user)
    assert (after.is_compliant, after.risk_score, after.attestation_hash) == (
        True,
        before.risk_score,
        before.attestation_hash,
    )
    actions = AuditRecord.objects.filter(subject=user, action__startswith="user.").order_by("id")
    assert [row.action for row in actions] == ["user.suspended", "user.restored"]


def test_a_user_of_whom_the_registry_knows_nothing_is_left_alone(rail: Rail) -> None:
    stranger = "0x" + "5e" * 20
    case = open_case(rail, stranger)
    settle(rail)
    release_case(rail, case)
    settle(rail)
    assert not on_chain(rail, stranger).is_registered
    assert not rail.sql("SELECT 1 FROM evm_nonce_slot WHERE kind = 'call'")


def test_of_two_cases_both_have_to_end(rail: Rail) -> None:
    user = rail.user(2)
    first = open_case(rail, user)
    second = open_case(rail, user, replace(FINDING, entity="e" * 64, uid="SDN:37"))
    settle(rail)
    release_case(rail, first)
    settle(rail)
    assert not on_chain(rail, user).is_compliant
    release_case(rail, second)
    settle(rail)
    assert on_chain(rail, user).is_compliant


def test_what_an_officer_wrote_meanwhile_is_not_overwritten(rail: Rail) -> None:
    user = rail.user(3)
    case = open_case(rail, user)
    settle(rail)
    enqueue_update(user, 77, "0x" + "cd" * 32, False, now=rail.clock.now())
    rail.until(lambda: on_chain(rail, user).risk_score == 77, step=lambda: step(rail))
    release_case(rail, case)
    settle(rail)
    assert (on_chain(rail, user).is_verified, on_chain(rail, user).risk_score) == (False, 77)
    rail.register([user])


def test_a_case_that_ends_before_anything_was_sent_sends_nothing(rail: Rail) -> None:
    user = rail.user(4)
    case = open_case(rail, user)
    suspensions._begin(rail.clock.now())
    release_case(rail, case)
    settle(rail)
    assert on_chain(rail, user).is_compliant
    assert not rail.sql("SELECT 1 FROM evm_nonce_slot WHERE kind = 'call'")


def test_a_case_that_comes_back_while_compliance_is_given_back_takes_it_away_again(rail: Rail) -> None:
    user = rail.user(5)
    case = open_case(rail, user)
    settle(rail)
    release_case(rail, case)
    suspensions.settle(pool=rail.pool, now=rail.clock.now())
    open_case(rail, user, replace(FINDING, entity="d" * 64))
    settle(rail)
    settle(rail)
    assert not on_chain(rail, user).is_compliant
    release_case(rail, Case.objects.filter(user=user).latest("id"))
    settle(rail)
    assert on_chain(rail, user).is_compliant


def test_an_update_that_the_registry_refuses_is_said_and_tried_again(
    rail: Rail, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = open_case(rail, rail.user(6))
    with monkeypatch.context() as patch:
        patch.setattr(registry, "HIGHEST_SCORE", 255)
        patch.setattr(
            suspensions, "enqueue_update", lambda user, _, *rest, now: enqueue_update(user, 200, *rest, now=now)
        )
        suspensions.settle(pool=rail.pool, now=rail.clock.now())
        suspensions.settle(pool=rail.pool, now=rail.clock.now())
    rail.until(dead_letters.depth, step=lambda: step(rail))
    letter = dead_letters.list_open()[0].items[0]
    assert (letter.operation, letter.subject) == ("suspendPayer", rail.user(6))
    assert "InvalidRiskScore" in letter.last_error
    rail.clock.advance(600)
    settle(rail)
    assert not on_chain(rail, rail.user(6)).is_compliant
    assert dead_letters.depth() == 0
    release_case(rail, case)
    settle(rail)


def test_two_workers_send_one_update(rail: Rail) -> None:
    case = open_case(rail, rail.user(7))
    suspensions._begin(rail.clock.now())
    row = Suspension.objects.get()
    entry = on_chain(rail, row.user)
    assert suspensions._send_one(row, entry, since=0, now=rail.clock.now())
    assert not suspensions._send_one(row, entry, since=0, now=rail.clock.now())
    assert rail.sql("SELECT count(*) FROM evm_nonce_slot WHERE kind = 'call'") == [(1,)]
    release_case(rail, case)
    settle(rail)


def test_without_an_answer_of_the_chain_the_next_pass_goes_on(rail: Rail, monkeypatch: pytest.MonkeyPatch) -> None:
    case = open_case(rail, rail.user(8))

    def silent(*_: object, **__: object) -> None:
        raise OutsideUnknown("rpc_down", "no answer")

    with monkeypatch.context() as patch:
        patch.setattr(suspensions, "read_users", silent)
        assert suspensions.run_job(rail.clock) == "waiting: rpc_down"
    settle(rail)
    assert not on_chain(rail, rail.user(8)).is_compliant
    release_case(rail, case)
    settle(rail)
