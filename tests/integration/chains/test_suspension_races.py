"""Attestations that are on their way when a case is opened or ended do not get past it, and are not lost."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from django.db import connection, transaction

from fiatrails.chains.evm import registry
from fiatrails.chains.evm.contracts.registry import UserRegistry, UserUpdate
from fiatrails.chains.evm.registry import CallStatus, UserCompliance, enqueue_update
from fiatrails.chains.evm.submitter import lanes
from fiatrails.compliance.models import Suspension
from fiatrails.compliance.sanctions import attestations, cases, suspensions
from fiatrails.controls.models import AuditRecord
from fiatrails.kernel.errors import Conflict
from tests.integration.chains.conftest import Rail
from tests.integration.chains.suspension_kit import (
    FINDING,
    on_chain,
    open_case,
    release_case,
    screening_is_on,
    settle,
)

pytestmark = pytest.mark.usefixtures("screening_is_on")
__all__ = ["screening_is_on"]
NEW = "0x" + "cd" * 32
OTHER = replace(FINDING, entity="e" * 64, uid="SDN:37")


def attest(rail: Rail, user: str, *, score: int = 33, word: str = NEW, verified: bool = True) -> int:
    """As `fiatrails user attest` does it."""
    return attestations.update(
        user=user, risk_score=score, attestation_hash=word, verified=verified, actor="amina", now=rail.clock.now()
    )


def look(rail: Rail) -> int:
    """One pass of the job, without anything of the chain."""
    return suspensions.settle(pool=rail.pool, now=rail.clock.now())


def step_lane(rail: Rail) -> None:
    """The chain goes on, the job does not."""
    lanes.run_lanes(clock=rail.clock, pool=rail.pool, signers=rail.signers, holder=rail.holder)
    rail.mine()


def said(entry: UserCompliance) -> tuple[bool, int, str]:
    return entry.is_verified, entry.risk_score, entry.attestation_hash


def updates(rail: Rail, user: str) -> list[tuple[int, bool]]:
    """Score and verification of the user's queued updates, in the order in which they land."""
    rows = rail.sql("SELECT calldata FROM evm_nonce_slot WHERE kind = 'call' ORDER BY nonce")
    made = [UserRegistry.read_update(bytes(row[0])) for row in rows]
    return [(update.risk_score, update.is_verified) for update in made if update.user == user]


def test_an_attestation_queued_before_the_case_is_followed_by_the_suspension(rail: Rail) -> None:
    stranger = rail.user(9001)
    attest(rail, stranger)
    case = open_case(rail, stranger)
    look(rail)
    assert updates(rail, stranger) == [(33, True), (33, False)], "nothing was queued behind the attestation"
    settle(rail)
    assert said(on_chain(rail, stranger)) == (False, 33, NEW)
    release_case(rail, case)
    settle(rail)
    assert said(on_chain(rail, stranger)) == (True, 33, NEW)


def test_the_end_of_the_case_gives_back_what_was_on_its_way_when_it_was_opened(rail: Rail) -> None:
    user = rail.user(9)
    attest(rail, user)
    case = open_case(rail, user)
    settle(rail)
    assert said(on_chain(rail, user)) == (False, 33, NEW)
    release_case(rail, case)
    settle(rail)
    assert said(on_chain(rail, user)) == (True, 33, NEW)
    rail.register([user])


def test_an_attestation_that_was_included_after_the_chain_was_read_is_not_overlooked(
    rail: Rail, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = rail.user(9002)
    slot = attest(rail, stranger)
    open_case(rail, stranger)
    real = suspensions.read_users

    def outdated(addresses: list[str], **options: object) -> dict[str, UserCompliance]:
        entries = real(addresses, pool=rail.pool)
        rail.until(lambda: registry.call_status(slot).succeeded, step=lambda: step_lane(rail))
        return entries

    with monkeypatch.context() as patch:
        patch.setattr(suspensions, "read_users", outdated)
        look(rail)
    assert updates(rail, stranger)[-1] == (33, False)
    settle(rail)
    assert not on_chain(rail, stranger).is_verified


def test_a_wallet_attested_around_the_rail_while_a_case_stands_is_suspended_again(rail: Rail) -> None:
    stranger = rail.user(9003)
    case = open_case(rail, stranger)
    settle(rail)
    manager = rail.contracts.manager
    rail.rpc("anvil_setBalance", manager, hex(10**18))
    rail.send_as(manager, rail.contracts.registry, UserRegistry.update_user(UserUpdate(stranger, 21, NEW, True)))
    rail.until(lambda: on_chain(rail, stranger).is_verified, step=rail.mine)
    assert look(rail) == 0, "it was looked at a moment ago"
    rail.clock.advance(61)
    assert look(rail) == 1
    assert suspensions.told(stranger) == "to be suspended"
    settle(rail)
    assert said(on_chain(rail, stranger)) == (False, 21, NEW)
    release_case(rail, case)
    settle(rail)
    assert said(on_chain(rail, stranger)) == (True, 21, NEW)


def test_wallets_that_stay_suspended_keep_nobody_waiting_who_is_not_yet(
    rail: Rail, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_case(rail, rail.user(9004))
    settle(rail)
    rail.clock.advance(61)
    case = open_case(rail, rail.user(10))
    suspensions._begin(rail.clock.now())
    monkeypatch.setattr(suspensions, "MAX_USERS_PER_READ", 1)
    suspensions._send(rail.pool, rail.clock.now())
    assert updates(rail, rail.user(10)) == [(10, False)]
    settle(rail)
    release_case(rail, case)
    settle(rail)


def test_a_return_under_way_when_a_case_is_opened_is_followed_by_the_suspension(rail: Rail) -> None:
    user = rail.user(11)
    case = open_case(rail, user)
    settle(rail)
    release_case(rail, case)
    look(rail)
    assert updates(rail, user)[-1] == (10, True)
    again = open_case(rail, user, OTHER)
    look(rail)
    assert updates(rail, user) == [(10, False), (10, True), (10, False)], "the return was waited for"
    settle(rail)
    assert not on_chain(rail, user).is_verified
    release_case(rail, again)
    settle(rail)
    assert on_chain(rail, user).is_compliant


def test_an_attestation_after_the_case_is_not_overwritten_by_the_return(rail: Rail) -> None:
    user = rail.user(12)
    case = open_case(rail, user)
    settle(rail)
    release_case(rail, case)
    attest(rail, user)
    settle(rail)
    assert said(on_chain(rail, user)) == (True, 33, NEW)
    assert updates(rail, user) == [(10, False), (33, True)]
    rail.register([user])


def test_a_revocation_on_its_way_is_waited_for_and_nothing_is_given_back(rail: Rail) -> None:
    user = rail.user(13)
    before = on_chain(rail, user)
    attest(rail, user, score=before.risk_score, word=before.attestation_hash, verified=False)
    case = open_case(rail, user)
    look(rail)
    assert look(rail) == 0
    assert suspensions.told(user) == "to be suspended"
    settle(rail)
    release_case(rail, case)
    settle(rail)
    assert updates(rail, user) == [(10, False)]
    assert not on_chain(rail, user).is_verified
    rail.register([user])


@pytest.mark.parametrize("landed", [True, False], ids=["suspended", "being-suspended"])
def test_a_revocation_while_a_case_stands_outlives_its_release(rail: Rail, landed: bool) -> None:
    user = rail.user(14)
    case = open_case(rail, user)
    if landed:
        settle(rail)
        assert attestations.revoke_return(user=user, actor="amina", now=rail.clock.now())
        assert AuditRecord.objects.get(action="user.return_revoked").actor == "amina"
    else:
        look(rail)
        attest(rail, user, score=10, word="0x" + "ab" * 32, verified=False)
    release_case(rail, case)
    settle(rail)
    assert not on_chain(rail, user).is_verified
    rail.register([user])


def test_nobody_is_attested_while_a_case_is_being_opened(rail: Rail) -> None:
    """The command looked before, when there was none."""
    user, refusals = rail.user(15), []

    def officer() -> None:
        try:
            attest(rail, user)
        except Conflict as refusal:
            refusals.append(refusal.code)
        connection.close()

    thread = threading.Thread(target=officer)
    with transaction.atomic():
        cases.open_for(user, [FINDING], origin="payment", now=rail.clock.now())
        thread.start()
        thread.join(0.5)
        assert thread.is_alive(), "the attestation did not wait for the case"
    thread.join()
    assert refusals == ["case_stands"]
    assert updates(rail, user) == []


def test_a_slower_worker_does_not_settle_what_a_faster_one_has_only_queued(
    rail: Rail, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = rail.user(16)
    case = open_case(rail, user)
    look(rail)
    row = Suspension.objects.get(user=user)
    slot = row.slot_id or 0
    rail.until(lambda: registry.call_status(slot).succeeded, step=lambda: step_lane(rail))
    release_case(rail, case)

    def slowly(slot_id: int) -> CallStatus:
        status = registry.call_status(slot_id)
        patch.undo()
        look(rail)
        return status

    with monkeypatch.context() as patch:
        patch.setattr(suspensions, "call_status", slowly)
        suspensions._follow(rail.clock.now())
    row.refresh_from_db()
    assert (row.wanted, row.settled_at) == ("restored", None)
    settle(rail)
    assert on_chain(rail, user).is_compliant


def test_what_an_officer_queued_is_found_by_wallet_and_nonce(rail: Rail) -> None:
    user, since = rail.user(17), registry.oldest_open_nonce()
    assert registry.queued_update(user, since=since) is None
    enqueue_update(user, 1, NEW, True, now=rail.clock.now())
    enqueue_update(rail.user(18), 2, NEW, True, now=rail.clock.now())
    enqueue_update(user, 3, NEW, False, now=rail.clock.now())
    assert registry.queued_update(user, since=since) == registry.QueuedUpdate(3, NEW, False)
    assert registry.queued_update(user, since=since + 3) is None
    assert registry.oldest_open_nonce() == since
    rail.sql("UPDATE evm_nonce_slot SET state = 'final', result = 'reverted' WHERE nonce = %s", since + 2)
    assert registry.queued_update(user, since=since) == registry.QueuedUpdate(1, NEW, True)


def test_a_revocation_while_compliance_is_on_its_way_back_is_queued_behind_it(rail: Rail) -> None:
    user = rail.user(19)
    case = open_case(rail, user)
    settle(rail)
    release_case(rail, case)
    look(rail)
    assert not on_chain(rail, user).is_verified
    ahead, under_way = registry.read_ahead(user, pool=rail.pool)
    assert (said(ahead), under_way) == ((True, 10, "0x" + "ab" * 32), True)
    attest(rail, user, score=10, word="0x" + "ab" * 32, verified=False)
    settle(rail)
    rail.until(lambda: registry.read_ahead(user, pool=rail.pool)[1] is False, step=lambda: step_lane(rail))
    assert not on_chain(rail, user).is_verified
    rail.register([user])
