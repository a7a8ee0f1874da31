"""The gate: who is listed is held with a reason, who is not goes on, and without a usable list nobody does."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from django.conf import settings
from django.db import DatabaseError, connection

from fiatrails.chains.evm.registry import UserCompliance
from fiatrails.compliance import clearing
from fiatrails.compliance.clearing import Subject
from fiatrails.compliance.models import Decision, Payer
from fiatrails.compliance.sanctions import checks, payers, releases
from fiatrails.engine import dead_letters
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.conf import ScreeningConfig
from fiatrails.kernel.errors import BadInput, Conflict, Forbidden
from fiatrails.screening.lists import current, store
from fiatrails.screening.lists.formats import read_list
from tests.conftest import SteppedClock
from tests.integration.compliance.sanctions_kit import (
    FILES,
    INTENT,
    LISTED_WALLET,
    SDN,
    USER,
    decide,
    in_production,
    load,
    screening_is_on,
    tell,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("screening_is_on")]
__all__ = ["screening_is_on"]


def test_a_listed_name_is_held_with_a_reason_a_person_can_read(clock: SteppedClock) -> None:
    load(clock)
    tell("Xiaobing Yan", clock)
    verdict = decide(clock)
    assert (verdict.cleared, verdict.code) == (False, "sanctions_review")
    assert "YAN, Xiaobing" in verdict.reason
    assert "SDNTK" in verdict.reason
    assert clearing.is_sanctions(verdict)
    assert clearing.clearances([INTENT], now=clock.now()) == {}


def test_a_listed_wallet_is_refused_whoever_it_is_said_to_be(clock: SteppedClock) -> None:
    load(clock)
    tell("Jane Wanjiku", clock, user=LISTED_WALLET)
    verdict = decide(clock, user=LISTED_WALLET)
    assert (verdict.cleared, verdict.code) == (False, "sanctions_listed")
    assert "LAZARUS GROUP" in verdict.reason


@pytest.mark.parametrize(
    ("name", "born"), [("Jane Wanjiku", None), ("Wei Chen", None), ("Xiaobing Yan", date(1999, 1, 1))]
)
def test_an_ordinary_payer_and_a_namesake_born_decades_later_go_on(
    clock: SteppedClock, name: str, born: date | None
) -> None:
    load(clock)
    tell(name, clock, born=born)
    assert decide(clock).cleared
    assert INTENT in clearing.clearances([INTENT], now=clock.now())


def test_a_payer_of_whom_nothing_is_known_is_screened_by_wallet(clock: SteppedClock) -> None:
    load(clock)
    assert decide(clock).cleared
    assert Decision.objects.get().inputs["screening"]["parties"][0]["wallets"] == [USER]


def test_a_decision_can_be_made_again_from_what_was_stored(clock: SteppedClock) -> None:
    load(clock)
    tell("Xiaobing Yan", clock)
    decide(clock)
    kept = Decision.objects.get().inputs["screening"]
    against = checks.ScreeningList(store.entities_of(kept["lists"][0]), digest=kept["digest"])
    party = kept["parties"][0]
    again = checks.reproduce(party, against)
    assert again.algorithm == kept["algorithm"]
    assert [(hit.entity.uid, round(hit.score.value, 6) if hit.score else None) for hit in again.hits] == [
        (hit["uid"], hit["score"]) for hit in party["hits"]
    ]


def test_without_a_list_nobody_is_cleared_where_money_is(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    in_production(monkeypatch)
    verdict = decide(clock)
    assert (verdict.cleared, verdict.code) == (False, "sanctions_unusable")
    assert "fiatrails lists refresh" in verdict.reason
    assert dead_letters.depth() == 1
    decide(clock)
    assert dead_letters.depth() == 1


def test_the_alarm_ends_with_the_first_payer_who_is_screened_again(
    clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_production(monkeypatch)
    decide(clock)
    load(clock)
    assert decide(clock).cleared
    assert dead_letters.depth() == 0
    letter = DeadLetter.objects.get()
    assert (letter.operation, letter.state, letter.actor) == ("screenPayers", "resolved", "screening")


def test_the_watch_raises_and_ends_the_alarm_without_any_payer(
    clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_production(monkeypatch)
    assert [checks.watch(clock), checks.watch(clock)] == ["sample_list", "sample_list"]
    assert dead_letters.depth() == 1
    load(clock)
    assert checks.watch(clock) == "usable"
    assert dead_letters.depth() == 0
    clock.advance(days=3)
    assert checks.watch(clock) == "stale_list"
    assert dead_letters.depth() == 1


def test_the_watch_is_off_while_nobody_is_screened(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    off = replace(settings.FIATRAILS, env="production", screening=ScreeningConfig(enabled=False))
    monkeypatch.setattr(settings, "FIATRAILS", off)
    assert checks.watch(clock) == "off"
    assert dead_letters.depth() == 0


def test_a_stale_list_clears_nobody_and_a_fresh_one_does(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    in_production(monkeypatch)
    load(clock)
    assert decide(clock).cleared
    clock.advance(days=3)
    assert decide(clock).code == "sanctions_unusable"
    load(clock)
    assert decide(clock).cleared


def test_the_sample_serves_where_no_money_is(clock: SteppedClock) -> None:
    assert decide(clock).cleared
    assert current.active(now=clock.now()).is_sample


def test_a_payer_who_was_not_asked_about_is_not_cleared(clock: SteppedClock) -> None:
    load(clock)
    entry = UserCompliance(USER, 10, "0x" + "ab" * 32, 1, True, True, True, 7)
    verdict = clearing.decide([Subject(INTENT, USER, 1)], {USER: entry}, now=clock.now())[INTENT]
    assert (verdict.cleared, verdict.code) == (False, "sanctions_not_screened")


def test_a_release_takes_two_people_and_outlives_a_new_number(clock: SteppedClock) -> None:
    load(clock)
    tell("Xiaobing Yan", clock)
    entity = read_list(FILES).entities[0]
    asked = releases.request(
        user=USER, target=releases.ReleaseTarget.of(entity), reason="passport seen", actor="ann", now=clock.now()
    )
    assert not decide(clock).cleared
    with pytest.raises(Forbidden, match="somebody else"):
        releases.approve(release_id=asked.id, actor="ann", now=clock.now())
    releases.approve(release_id=asked.id, actor="ben", now=clock.now())
    assert decide(clock).cleared
    load(clock, {"sdn.csv": SDN.replace(b"36,", b"4136,")})
    assert decide(clock).cleared
    load(clock, {"sdn.csv": SDN.replace(b"25 Mar 1977", b"26 Mar 1977")})
    assert not decide(clock).cleared


def test_a_release_is_asked_for_once_and_approved_once(clock: SteppedClock) -> None:
    entity = read_list(FILES).entities[0]
    asked = releases.request(
        user=USER, target=releases.ReleaseTarget.of(entity), reason="seen", actor="ann", now=clock.now()
    )
    with pytest.raises(Conflict, match="already"):
        releases.request(
            user=USER, target=releases.ReleaseTarget.of(entity), reason="seen", actor="cleo", now=clock.now()
        )
    releases.approve(release_id=asked.id, actor="ben", now=clock.now())
    with pytest.raises(Conflict, match="already"):
        releases.approve(release_id=asked.id, actor="dan", now=clock.now())


def test_the_database_keeps_payers_and_approved_releases(clock: SteppedClock) -> None:
    tell("Jane Wanjiku", clock)
    entity = read_list(FILES).entities[0]
    asked = releases.request(
        user=USER, target=releases.ReleaseTarget.of(entity), reason="seen", actor="ann", now=clock.now()
    )
    for statement in (
        "UPDATE compliance_payer SET name = 'x'",
        "DELETE FROM compliance_payer",
        "UPDATE compliance_release SET reason = 'x'",
        f"UPDATE compliance_release SET approved_at = now(), approved_by = 'ann' WHERE id = {asked.id}",
        "DELETE FROM compliance_release",
    ):
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(statement)


def test_a_second_name_does_not_wash_off_the_first(clock: SteppedClock) -> None:
    load(clock)
    for name in ("Xiaobing Yan", "Xiaobing Yan", "Jane Wanjiku"):
        tell(name, clock)
    assert [row.name for row in Payer.objects.order_by("id")] == ["Xiaobing Yan", "Jane Wanjiku"]
    assert "YAN, Xiaobing" in decide(clock).reason


@pytest.mark.parametrize(
    "identity",
    [
        payers.Identity(name=" "),
        payers.Identity(name="x" * 501),
        payers.Identity(name="a\0b"),
        payers.Identity(name="a\ud800"),
        payers.Identity(name="Jane", identifiers=("\udfff",)),
        payers.Identity(name="Jane", born=date(1850, 1, 1)),
        payers.Identity(name="Jane", countries=("ZZ",)),
        payers.Identity(name="Jane", identifiers=("",)),
        payers.Identity(name="Jane", identifiers=("1",) * 11),
    ],
)
def test_what_cannot_be_a_payer_is_refused(identity: payers.Identity, clock: SteppedClock) -> None:
    with pytest.raises(BadInput):
        payers.record(identity, user=USER, actor="client", now=clock.now())
    assert not Payer.objects.exists()
