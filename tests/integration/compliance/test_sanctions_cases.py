"""The review queue: what the gate finds waits there, and ends by two people, by one who confirms, or with the hit."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from fiatrails.compliance import clearing
from fiatrails.compliance.models import Case, Decision, Release
from fiatrails.compliance.sanctions import cases, releases
from fiatrails.compliance.sanctions.models import Payer
from fiatrails.controls.models import AuditRecord
from fiatrails.kernel.errors import BadInput, Conflict, Forbidden, NotFound
from tests.conftest import SteppedClock
from tests.integration.compliance.sanctions_kit import (
    INTENT,
    SDN,
    USER,
    decide,
    load,
    screening_is_on,
    tell,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("screening_is_on")]
__all__ = ["screening_is_on"]


@pytest.fixture
def case(clock: SteppedClock) -> Case:
    """A payer with a listed name, held at the gate."""
    load(clock)
    tell("Xiaobing Yan", clock)
    decide(clock)
    return Case.objects.get()


def test_a_hit_at_the_gate_opens_one_case_however_often_it_is_found(case: Case, clock: SteppedClock) -> None:
    for _ in range(3):
        assert not decide(clock).cleared
    again = Case.objects.get()
    assert (again.state, again.origin, again.intent_id, again.entity_uid) == ("open", "payment", INTENT, "SDN:36")
    assert "YAN, Xiaobing" in again.reason
    assert again.evidence["parties"][0]["name"] == "Xiaobing Yan"
    assert again.evidence["lists"]


def test_an_ordinary_payer_opens_no_case(clock: SteppedClock) -> None:
    load(clock)
    tell("Jane Wanjiku", clock)
    assert decide(clock).cleared
    assert not Case.objects.exists()


def test_two_people_release_a_case_and_the_payer_goes_on(case: Case, clock: SteppedClock) -> None:
    releases.request_for_case(case_id=case.id, reason="passport seen", actor="ann", now=clock.now())
    assert cases.get(case.id).state == "release_requested"
    assert not decide(clock).cleared
    with pytest.raises(Forbidden, match="somebody else"):
        releases.approve(release_id=releases.waiting_for(case).id, actor="ann", now=clock.now())
    releases.approve(release_id=releases.waiting_for(case).id, actor="ben", now=clock.now())
    assert (cases.get(case.id).state, cases.get(case.id).moved_by) == ("released", "ben")
    assert decide(clock).cleared


def test_a_confirmed_case_outlives_the_listing(case: Case, clock: SteppedClock) -> None:
    releases.confirm(case_id=case.id, actor="ann", reason="same passport", now=clock.now())
    load(clock, {"sdn.csv": SDN.split(b"\r\n", 1)[1]})
    verdict = decide(clock)
    assert (verdict.cleared, verdict.code) == (False, "sanctions_listed")
    assert f"case {case.id} is confirmed" in verdict.reason


def test_confirming_refuses_the_release_that_waited(case: Case, clock: SteppedClock) -> None:
    asked = releases.request_for_case(case_id=case.id, reason="seen", actor="ann", now=clock.now())
    releases.confirm(case_id=case.id, actor="ben", reason="the passport was forged", now=clock.now())
    with pytest.raises(Conflict, match="taken back by ben"):
        releases.approve(release_id=asked.id, actor="cleo", now=clock.now())
    with pytest.raises(Conflict, match="case release"):
        releases.waiting_for(cases.get(case.id))


def test_a_confirmed_case_is_released_by_two_people_as_well(case: Case, clock: SteppedClock) -> None:
    releases.confirm(case_id=case.id, actor="ann", reason="looks like it", now=clock.now())
    asked = releases.request_for_case(case_id=case.id, reason="it was a twin", actor="ann", now=clock.now())
    releases.approve(release_id=asked.id, actor="ben", now=clock.now())
    assert decide(clock).cleared


def test_a_release_taken_back_opens_the_case_once_more(case: Case, clock: SteppedClock) -> None:
    asked = releases.request_for_case(case_id=case.id, reason="seen", actor="ann", now=clock.now())
    releases.approve(release_id=asked.id, actor="ben", now=clock.now())
    releases.revoke(release_id=asked.id, actor="ann", reason="forged", now=clock.now())
    assert not decide(clock).cleared
    assert [(row.state, row.entity) for row in Case.objects.order_by("id")] == [
        ("released", case.entity),
        ("open", case.entity),
    ]
    releases.request(
        user=USER, target=releases.ReleaseTarget(case.entity, "SDN:36", "YAN"), reason="x", actor="ann", now=clock.now()
    )
    assert Release.objects.count() == 2


def test_a_release_asked_for_and_refused_leaves_the_case_open(case: Case, clock: SteppedClock) -> None:
    asked = releases.request_for_case(case_id=case.id, reason="seen", actor="ann", now=clock.now())
    releases.revoke(release_id=asked.id, actor="ben", reason="not enough", now=clock.now())
    assert cases.get(case.id).state == "open"
    assert Case.objects.count() == 1


def test_a_case_decided_while_the_gate_looked_is_not_opened_again(case: Case, clock: SteppedClock) -> None:
    """What was found before an approval must not outlive it."""
    finding = cases.OpenHit(case.entity, "SDN:36", "YAN", "review", "found before", {})
    asked = releases.request_for_case(case_id=case.id, reason="seen", actor="ann", now=clock.now())
    opened: list[int] = []
    with transaction.atomic():
        releases.approve(release_id=asked.id, actor="ben", now=clock.now())

        def gate() -> None:
            with transaction.atomic():
                opened.append(cases.open_for(USER, [finding], origin="payment", now=clock.now()))
            connection.close()

        thread = threading.Thread(target=gate)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive(), "the gate did not wait for the decision"
    thread.join()
    assert opened == [0]
    assert [row.state for row in Case.objects.all()] == ["released"]


def test_one_who_confirms_while_another_approves_waits_for_them(
    case: Case, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = releases.request_for_case(case_id=case.id, reason="seen", actor="ann", now=clock.now())
    follow, said = cases.follow_release, []

    def confirm() -> None:
        try:
            releases.confirm(case_id=case.id, actor="cleo", reason="forged", now=clock.now())
        except Exception as error:
            said.append(error)
        connection.close()

    thread = threading.Thread(target=confirm)

    def between(**arguments: Any) -> None:
        thread.start()
        thread.join(0.5)
        follow(**arguments)

    monkeypatch.setattr(cases, "follow_release", between)
    releases.approve(release_id=asked.id, actor="ben", now=clock.now())
    thread.join()
    [error] = said
    assert isinstance(error, Conflict)
    assert cases.get(case.id).state == "released"


def test_a_clearance_in_force_does_not_outlive_a_case(clock: SteppedClock) -> None:
    load(clock)
    tell("Jane Wanjiku", clock)
    decide(clock)
    assert INTENT in clearing.clearances([INTENT], now=clock.now())
    finding = cases.OpenHit("f" * 64, "SDN:99", "WANJIKU, Jane", "review", "listed today", {})
    with transaction.atomic():
        cases.open_for(USER, [finding], origin="rescreening", now=clock.now())
    assert clearing.clearances([INTENT], now=clock.now()) == {}
    assert decide(clock).code == "sanctions_review"


def test_a_name_that_cannot_be_screened_is_a_case_that_can_be_released(clock: SteppedClock) -> None:
    load(clock)
    tell("\N{GRINNING FACE}\N{GRINNING FACE}", clock)
    assert decide(clock).code == "sanctions_review"
    case = Case.objects.get()
    asked = releases.request_for_case(case_id=case.id, reason="seen in person", actor="ann", now=clock.now())
    releases.approve(release_id=asked.id, actor="ben", now=clock.now())
    assert decide(clock).cleared


def test_a_decision_without_a_reason_is_refused(case: Case, clock: SteppedClock) -> None:
    with pytest.raises(BadInput, match="say why"):
        releases.confirm(case_id=case.id, actor="ann", reason=" ", now=clock.now())
    with pytest.raises(BadInput, match="say why"):
        releases.request_for_case(case_id=case.id, reason="", actor="ann", now=clock.now())
    with pytest.raises(NotFound, match="case list"):
        cases.get(case.id + 1)


def test_each_decision_is_in_the_audit_log(case: Case, clock: SteppedClock) -> None:
    asked = releases.request_for_case(case_id=case.id, reason="seen", actor="ann", now=clock.now())
    releases.approve(release_id=asked.id, actor="ben", now=clock.now())
    releases.revoke(release_id=asked.id, actor="cleo", reason="forged", now=clock.now())
    newest = cases.standing([USER])[USER][0]
    releases.confirm(case_id=newest.id, actor="dan", reason="forged", now=clock.now())
    told = [(row.actor, row.action) for row in AuditRecord.objects.filter(subject=USER).order_by("id")]
    assert told == [
        ("ann", "screening.release_requested"),
        ("ben", "screening.release_approved"),
        ("cleo", "screening.release_revoked"),
        ("dan", "screening.case_confirmed"),
    ]


def test_the_database_keeps_what_a_case_was_opened_on(case: Case, clock: SteppedClock) -> None:
    for statement in (
        "UPDATE compliance_case SET reason = 'x'",
        "UPDATE compliance_case SET \"user\" = 'x'",
        "DELETE FROM compliance_case",
    ):
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(statement)
    asked = releases.request_for_case(case_id=case.id, reason="seen", actor="ann", now=clock.now())
    releases.approve(release_id=asked.id, actor="ben", now=clock.now())
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_case SET state = 'open'")
    assert Payer.objects.exists()
    assert Decision.objects.exists()
