"""`fiatrails case`, `screen revoke`, `screen rescreen`, `screen show` as a compliance officer uses them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.db import transaction

from fiatrails.compliance.models import AskedScreening, Case
from fiatrails.compliance.sanctions import cases
from tests.functional.cli.conftest import USER
from tests.integration.compliance.sanctions_kit import screening_is_on
from tests.kit.commands import Run

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["screening_is_on"]
PARTY = {
    "name": "Xiaobing Yan",
    "born": "1977-03-25",
    "wallets": [USER],
    "hits": [{"band": "review", "reason": "name is 99% like YAN, Xiaobing", "features": {"covered": 3.5}}],
}


@pytest.fixture
def number() -> str:
    """A case that stands."""
    finding = cases.OpenHit("f" * 64, "SDN:36", "YAN, Xiaobing", "review", "name is 99% like", {"parties": [PARTY]})
    with transaction.atomic():
        cases.open_for(USER, [finding], origin="payment", now=datetime(2026, 11, 1, tzinfo=UTC))
    return str(Case.objects.get().id)


def test_no_case_is_said_and_ends_with_0(run: Run) -> None:
    done = run("case", "list")
    assert (done.code, "no case stands" in done.out) == (0, True)


def test_a_case_that_waits_is_listed_and_ends_with_1(run: Run, number: str) -> None:
    done = run("case", "list", "--json")
    assert done.code == 1
    [found] = done.document["cases"]
    assert (found["number"], found["state"], found["entity"]) == (int(number), "open", "SDN:36")
    assert "YAN" in run("case", "show", number).out


def test_a_case_shows_whom_and_why(run: Run, number: str) -> None:
    shown = run("case", "show", number)
    assert shown.code == 0
    for text in ("screened: Xiaobing Yan, born 1977-03-25", "REVIEW: name is 99% like", "covered +3.50", "untouched"):
        assert text in shown.out
    assert run("case", "show", number, "--json").document["evidence"]["parties"] == [PARTY]


def test_two_people_release_a_case(run: Run, number: str) -> None:
    assert run("case", "approve", number, "--actor", "ben").code != 0
    asked = run("case", "release", number, "--reason", "passport seen", "--actor", "ann", "--json")
    assert asked.document["state"] == "release_requested"
    assert "somebody else" in run("case", "approve", number, "--actor", "ann").err
    done = run("case", "approve", number, "--actor", "ben", "--json")
    assert (done.document["state"], done.document["movedBy"]) == ("released", "ben")
    assert run("case", "list").code == 0
    assert len(run("case", "list", "--all", "--json").document["cases"]) == 1


def test_a_confirmed_case_stands_and_waits_for_nobody(run: Run, number: str) -> None:
    done = run("case", "confirm", number, "--reason", "same passport", "--actor", "ann", "--json")
    assert (done.document["state"], done.document["note"]) == ("confirmed", "same passport")
    listed = run("case", "list", "--json")
    assert (listed.code, len(listed.document["cases"])) == (0, 1)


def test_a_release_is_taken_back(run: Run, number: str) -> None:
    run("case", "release", number, "--reason", "seen", "--actor", "ann")
    run("case", "approve", number, "--actor", "ben")
    [release] = run("screen", "releases", "--json").document["releases"]
    done = run("screen", "revoke", str(release["number"]), "--reason", "forged", "--actor", "ann", "--json")
    assert done.document["revokedBy"] == "ann"
    assert run("case", "list").code == 1


def test_an_unknown_case_says_where_to_look(run: Run) -> None:
    done = run("case", "show", "99")
    assert done.code != 0
    assert "fiatrails case list" in done.err


@pytest.mark.usefixtures("screening_is_on")
def test_everybody_is_screened_again_on_demand(run: Run) -> None:
    done = run("screen", "rescreen", "--again", "--json")
    assert (done.code, done.document["screened"]) == (0, 0)
    assert done.document["finishedAt"]


def test_a_clients_question_is_shown_with_its_answer(run: Run) -> None:
    hit = {"band": "review", "entity": "SDN:36", "name": "YAN, Xiaobing"}
    said = {"id": "ab" * 16, "band": "review", "why": "99% like", "problem": None, "algorithm": "1", "hits": [hit]}
    AskedScreening.objects.create(
        screening_id="ab" * 16,
        client="shop",
        asked_at=datetime(2026, 11, 1, tzinfo=UTC),
        inputs={"name": "Yan"},
        lists=[1],
        list_digest="d",
        algorithm="1",
        band="review",
        hits=[],
        answer=json.dumps(said),
    )
    found = run("screen", "show", "ab" * 16, "--json").document
    assert (found["client"], found["asked"], found["answer"]) == ("shop", {"name": "Yan"}, said)
    assert "REVIEW SDN:36 YAN, Xiaobing" in run("screen", "show", "ab" * 16).out
    unknown = run("screen", "show", "cd" * 16, "--json")
    assert (unknown.code, unknown.document["error"]) == (3, "screening_not_found")
