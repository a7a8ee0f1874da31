"""Suspensions are rows of a queue: leased, fenced, isolated, and never given up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fiatrails.chains.evm.registry import UserCompliance, enqueue_update
from fiatrails.compliance.models import Suspension
from fiatrails.compliance.sanctions import suspensions
from fiatrails.engine import dead_letters
from fiatrails.engine.claim import claim
from fiatrails.kernel.errors import OutsideUnknown
from tests.integration.chains.conftest import Rail
from tests.integration.chains.suspension_kit import on_chain, open_case, release_case, screening_is_on, settle

pytestmark = pytest.mark.usefixtures("screening_is_on")
__all__ = ["screening_is_on"]


def one_pass(rail: Rail) -> int:
    return suspensions.settle(pool=rail.pool, now=rail.clock.now())


def row_of(user: str) -> Suspension:
    return Suspension.objects.get(user=user)


def test_an_error_nobody_foresaw_stays_with_its_wallet(rail: Rail, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = rail.user(21), rail.user(22)
    rail.register([bad, good])
    cases = [open_case(rail, bad), open_case(rail, good)]

    def broken_for_one(user: str, *rest: object, now: object) -> int:
        if user == bad:
            raise ZeroDivisionError("division by zero")
        return enqueue_update(user, *rest, now=now)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(suspensions, "enqueue_update", broken_for_one)
        one_pass(rail)
    assert row_of(good).slot_id is not None
    row = row_of(bad)
    assert (row.slot_id, row.attempts, row.last_error) == (None, 1, "ZeroDivisionError: division by zero")
    assert row.lease_until is None
    assert row.due_at is not None
    assert [letter.subject for letter in dead_letters.list_open()[0].items] == [bad]
    rail.clock.advance(600)
    settle(rail)
    assert not on_chain(rail, bad).is_compliant
    assert (dead_letters.depth(), row_of(bad).last_error, row_of(bad).attempts) == (0, "", 0)
    for case in cases:
        release_case(rail, case)
    settle(rail)


def test_a_wallet_that_another_worker_has_leased_is_left_to_it(rail: Rail) -> None:
    user = rail.user(23)
    rail.register([user])
    case = open_case(rail, user)
    suspensions._begin(rail.clock.now())
    (mine,) = claim(Suspension, now=rail.clock.now(), lease=timedelta(seconds=30), limit=10)
    assert one_pass(rail) == 0
    assert suspensions._send_one(mine, on_chain(rail, user), since=0, now=rail.clock.now())
    assert row_of(user).lease_until is None
    settle(rail)
    release_case(rail, case)
    settle(rail)


def test_a_wallet_that_was_reversed_after_it_was_claimed_is_not_suspended(rail: Rail) -> None:
    user = rail.user(24)
    rail.register([user])
    case = open_case(rail, user)
    suspensions._begin(rail.clock.now())
    entry: UserCompliance = on_chain(rail, user)
    (mine,) = claim(Suspension, now=rail.clock.now(), lease=timedelta(seconds=30), limit=10)
    release_case(rail, case)
    suspensions._reverse(rail.clock.now())
    assert not suspensions._send_one(mine, entry, since=0, now=rail.clock.now())
    assert (row_of(user).wanted, row_of(user).slot_id, row_of(user).lease_until) == ("restored", None, None)
    settle(rail)
    assert on_chain(rail, user).is_compliant


def test_a_chain_that_does_not_answer_costs_no_attempt_and_keeps_no_lease(
    rail: Rail, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = rail.user(25)
    rail.register([user])
    case = open_case(rail, user)

    def silent(*_: object, **__: object) -> None:
        raise OutsideUnknown("rpc_down", "no answer")

    with monkeypatch.context() as patch:
        patch.setattr(suspensions, "read_users", silent)
        with pytest.raises(OutsideUnknown):
            one_pass(rail)
    row = row_of(user)
    assert (row.attempts, row.lease_until, row.last_error) == (0, None, "")
    assert row.due_at is not None
    assert row.due_at <= rail.clock.now()
    assert one_pass(rail) == 1
    settle(rail)
    release_case(rail, case)
    settle(rail)
