"""Everybody known is screened once more when a list changes, whatever crashes on the way."""

from __future__ import annotations

from datetime import date

import pytest

from fiatrails.compliance.models import Case, Decision
from fiatrails.compliance.sanctions import checks, payers, releases, rescreening
from fiatrails.compliance.sanctions.models import Rescreening
from fiatrails.kernel.errors import Unavailable
from fiatrails.screening.lists import store
from tests.conftest import SteppedClock
from tests.integration.compliance.sanctions_kit import (
    LISTED_WALLET,
    NO_CHAIN,
    PERSON,
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
LISTED_TODAY = b'38,"WANJIKU, Jane","individual","SDGT",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \r\n'
WITH_JANE = {"sdn.csv": LISTED_TODAY + SDN}


def users(count: int) -> list[str]:
    return [f"0x{number:040x}" for number in range(1, count + 1)]


def test_a_payer_who_is_listed_today_gets_a_case_without_paying_again(clock: SteppedClock) -> None:
    load(clock)
    tell("Jane Wanjiku", clock)
    assert decide(clock).cleared
    rescreening.run_to_end(clock, pool=NO_CHAIN)
    assert not Case.objects.exists()
    load(clock, WITH_JANE)
    run = rescreening.run_to_end(clock, pool=NO_CHAIN)
    assert (run.screened, run.opened, run.closed) == (1, 1, 0)
    case = Case.objects.get()
    assert (case.user, case.entity_uid, case.origin, case.intent_id) == (USER, "SDN:38", "rescreening", "")
    assert decide(clock).code == "sanctions_review"


def test_a_wallet_of_whom_only_a_payment_is_known_is_screened_too(clock: SteppedClock) -> None:
    load(clock, {"sdn.csv": SDN.split(b"\r\n", 1)[0] + b"\r\n"})
    assert decide(clock, user=LISTED_WALLET).cleared
    load(clock)
    rescreening.run_to_end(clock, pool=NO_CHAIN)
    assert [(case.user, case.band) for case in Case.objects.all()] == [(LISTED_WALLET, "block")]


def test_a_case_ends_when_its_entity_is_taken_off_the_list(clock: SteppedClock) -> None:
    load(clock, WITH_JANE)
    tell("Jane Wanjiku", clock)
    decide(clock)
    load(clock)
    assert decide(clock).code == "sanctions_review"
    run = rescreening.run_to_end(clock, pool=NO_CHAIN)
    assert run.closed == 1
    case = Case.objects.get()
    assert (case.state, case.moved_by) == ("gone", "screening")
    assert "not found any more" in case.note
    assert decide(clock).cleared


def test_what_somebody_confirmed_stays_when_it_is_delisted(clock: SteppedClock) -> None:
    load(clock, WITH_JANE)
    tell("Jane Wanjiku", clock)
    decide(clock)
    releases.confirm(case_id=Case.objects.get().id, actor="ann", reason="same passport", now=clock.now())
    load(clock)
    assert rescreening.run_to_end(clock, pool=NO_CHAIN).closed == 0
    assert Case.objects.get().state == "confirmed"


def test_nobody_is_screened_again_while_nothing_has_changed(clock: SteppedClock) -> None:
    load(clock)
    tell("Jane Wanjiku", clock)
    assert rescreening.run_job(clock) == "1 screened, 0 cases opened, 0 closed"
    assert rescreening.run_job(clock) == "current"
    rescreening.run_to_end(clock, pool=NO_CHAIN, again=True)
    assert Rescreening.objects.count() == 2


def test_a_new_algorithm_screens_everybody_again(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    load(clock)
    rescreening.run_to_end(clock, pool=NO_CHAIN)
    monkeypatch.setattr(rescreening, "ALGORITHM", "names-2")
    rescreening.run_to_end(clock, pool=NO_CHAIN)
    assert [run.algorithm for run in Rescreening.objects.order_by("id")][-1] == "names-2"


def test_a_run_goes_on_where_it_was_broken_off(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescreening, "CHUNK", 10)
    load(clock, WITH_JANE)
    for user in users(35):
        tell("Jane Wanjiku", clock, user=user)
    run = rescreening.due(clock.now())
    assert rescreening.step(run, pool=NO_CHAIN, clock=clock)
    assert Case.objects.count() == 10
    # The process dies here; another one goes on from the row, and a third one that saw the same start does no harm.
    stale = rescreening.latest()
    assert stale is not None
    whole = rescreening.run_to_end(clock, pool=NO_CHAIN)
    rescreening.step(stale, pool=NO_CHAIN, clock=clock)
    assert (whole.screened, whole.opened, Case.objects.count()) == (35, 35, 35)
    assert Rescreening.objects.get().finished_at == clock.now()


def test_two_workers_on_one_chunk_count_it_once(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescreening, "CHUNK", 10)
    load(clock, WITH_JANE)
    for user in users(15):
        tell("Jane Wanjiku", clock, user=user)
    one, other = rescreening.due(clock.now()), rescreening.due(clock.now())
    rescreening.step(one, pool=NO_CHAIN, clock=clock)
    rescreening.step(other, pool=NO_CHAIN, clock=clock)
    assert (other.cursor, other.screened) == (one.cursor, one.screened) == (users(15)[9], 10)
    rescreening.step(other, pool=NO_CHAIN, clock=clock)
    assert Rescreening.objects.get().screened == 15


def test_a_list_that_changes_meanwhile_starts_a_new_run(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescreening, "CHUNK", 10)
    load(clock)
    for user in users(15):
        tell("Jane Wanjiku", clock, user=user)
    old = rescreening.due(clock.now())
    rescreening.step(old, pool=NO_CHAIN, clock=clock)
    load(clock, WITH_JANE)
    assert not rescreening.step(old, pool=NO_CHAIN, clock=clock)
    assert rescreening.run_to_end(clock, pool=NO_CHAIN).opened == 15
    assert Rescreening.objects.filter(finished_at=None).count() == 1


def test_a_list_that_may_not_be_relied_on_closes_no_case(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    load(clock)
    tell("Xiaobing Yan", clock)
    decide(clock)
    in_production(monkeypatch)
    clock.advance(days=3)
    assert rescreening.run_job(clock) == "waiting: stale_list"
    with pytest.raises(Unavailable, match="lists refresh"):
        rescreening.run_to_end(clock, pool=NO_CHAIN)
    assert Case.objects.get().state == "open"


def test_a_released_hit_is_not_found_again(clock: SteppedClock) -> None:
    load(clock, WITH_JANE)
    tell("Jane Wanjiku", clock)
    decide(clock)
    asked = releases.request_for_case(case_id=Case.objects.get().id, reason="seen", actor="ann", now=clock.now())
    releases.approve(release_id=asked.id, actor="ben", now=clock.now())
    assert rescreening.run_to_end(clock, pool=NO_CHAIN).opened == 0


def test_a_new_name_of_a_listed_entity_is_found_among_old_payers(clock: SteppedClock) -> None:
    load(clock)
    payers.record(payers.Identity("Odhiambo Atieno", PERSON), user=USER, actor="client", now=clock.now())
    rescreening.run_to_end(clock, pool=NO_CHAIN)
    assert not Case.objects.exists()
    alias = b'36,1,"aka","ATIENO, Odhiambo",-0- \r\n'
    store.load(
        {"sdn.csv": SDN, "alt.csv": alias}, published=date(2026, 10, 21), actor="test", now=clock.now(), reason="a test"
    )
    rescreening.run_to_end(clock, pool=NO_CHAIN)
    assert Case.objects.get().entity_uid == "SDN:36"


def test_with_screening_off_nothing_runs(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "enabled", lambda: False)
    assert rescreening.run_job(clock) == "off"
    assert not Rescreening.objects.exists()
    assert not Decision.objects.exists()
