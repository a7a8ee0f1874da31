"""The review queue at /admin/: who sees it, what it shows, and that it decides as the domain does."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from fiatrails.accounts import people
from fiatrails.compliance.models import Case, Payer, Release, Suspension
from fiatrails.compliance.sanctions import cases, releases
from fiatrails.controls.models import AuditRecord
from tests.integration.admin.conftest import NOW, PASSWORD, WALLET, Person, address, open_case, told

pytestmark = pytest.mark.django_db
PAGES = ("/admin/compliance/case/", "/admin/compliance/release/", "/admin/compliance/payer/")
ACTS = ("release/", "approve/", "confirm/")


def request_release(case: Case, actor: str = "ann") -> Release:
    return releases.request_for_case(case_id=case.id, reason="passport seen", actor=actor, now=NOW)


@pytest.mark.parametrize("page", ["/admin/", *PAGES, "/admin/nowhere/"])
def test_who_is_not_signed_in_is_sent_to_the_sign_in(page: str) -> None:
    answer = Client().get(page)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={page}")


def test_a_decision_of_nobody_is_not_taken(case: Case) -> None:
    for act in ACTS:
        assert Client().post(address(case, act), {"reason": "x"})["Location"].startswith("/admin/login/")
    case.refresh_from_db()
    assert case.state == "open"


def test_without_permissions_nothing_is_seen_and_nothing_done(case: Case, person: Person) -> None:
    client = person("eve", officer=False)
    for page in (*PAGES, address(case)):
        answer = client.get(page)
        assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (403, "text/html")
        assert "YAN" not in answer.content.decode()
    assert "Case" not in client.get("/admin/").content.decode()
    for act in ACTS:
        assert client.post(address(case, act), {"reason": "x"}).status_code == 403
    case.refresh_from_db()
    assert (case.state, Release.objects.count()) == ("open", 0)


def test_who_may_see_and_not_decide_is_offered_nothing(case: Case, person: Person) -> None:
    client = person("joe", officer=False, permissions=("view_case", "view_release"))
    page = client.get(address(case)).content.decode()
    assert "YAN, Xiaobing" in page
    assert '<form method="post" class="decision"' not in page
    assert [client.post(address(case, act), {"reason": "x"}).status_code for act in ACTS] == [403, 403, 403]
    release = request_release(case)
    body = {"action": "take_back", "_selected_action": [release.id], "reason": "x", "index": "0"}
    client.post("/admin/compliance/release/", body)
    release.refresh_from_db()
    assert release.revoked_at is None


def test_the_right_to_decide_alone_shows_nothing(case: Case, person: Person) -> None:
    client = person("joe", officer=False, permissions=("decide_case",))
    assert client.get(address(case)).status_code == 403
    assert client.post(address(case, "confirm/"), {"reason": "x"}).status_code == 403


def test_an_officer_has_exactly_these_permissions(officers: None) -> None:
    held = Permission.objects.filter(group=Group.objects.get(name=people.OFFICERS))
    assert {f"{one.content_type.app_label}.{one.codename}" for one in held} == {
        "compliance.view_case",
        "compliance.view_payer",
        "compliance.view_release",
        "operators.decide_case",
    }


def test_a_superuser_may_decide(case: Case) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    assert client.post(address(case, "confirm/"), {"reason": "same passport"}).status_code == 302
    case.refresh_from_db()
    assert (case.state, case.moved_by) == ("confirmed", "root")


@pytest.mark.parametrize("superuser", [True, False])
def test_nobody_adds_changes_or_deletes_a_row(case: Case, person: Person, superuser: bool) -> None:
    client = person("ann")
    User.objects.update(is_superuser=superuser)
    for model in ("case", "release", "payer"):
        for path in ("add/", "1/delete/", "1/change/", "1/history/", f"{case.id}/delete/"):
            answer = client.post(f"/admin/compliance/{model}/{path}", {"state": "released", "post": "yes"})
            assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (404, "text/html"), path
    client.post("/admin/compliance/case/", {"action": "delete_selected", "_selected_action": [case.id], "post": "yes"})
    client.post(address(case), {"state": "released"})
    case.refresh_from_db()
    assert case.state == "open"
    assert client.get("/admin/auth/user/").status_code == 404


def test_the_list_has_the_open_ones_first_and_finds_them(person: Person) -> None:
    confirmed = open_case(entity="1" * 64, name="FIRST")
    cases.confirm(case_id=confirmed.id, actor="ann", reason="same", now=NOW)
    waiting = open_case(entity="2" * 64, name="SECOND")
    request_release(waiting)
    stands = open_case(entity="3" * 64, name="THIRD", user="0x" + "b2" * 20)
    client = person("ann")

    def numbers(**query: str) -> list[int]:
        return [case.id for case in client.get("/admin/compliance/case/", query).context["cl"].result_list]

    assert numbers() == [stands.id, waiting.id, confirmed.id]
    first = client.get("/admin/compliance/case/").content.decode().partition("<tbody>")[2].partition("</tr>")[0]
    shown = re.findall(r'class="field-(\w+)"[^>]*>(?:<a [^>]*>)?([^<]*)', first)
    assert shown == [
        ("number", str(stands.id)),
        ("state", "open"),
        ("band", "review"),
        ("wallet", "0x" + "b2" * 20),
        ("listed", "THIRD (SDN:36)"),
        ("reason", "name is 99% like YAN, Xiaobing"),
        ("opened", "2026-11-01 12:00:00"),
    ]
    assert numbers(q="0xB2B2") == [stands.id]
    assert numbers(q="sdn:36") == numbers(band="review") == numbers()
    assert numbers(q="econ") == numbers(state__exact="release_requested") == [waiting.id]
    assert numbers(q="SDN:3") == numbers(band="block") == []


def test_the_page_says_whom_why_and_what_was_done(case: Case, person: Person) -> None:
    request_release(case, actor="ben")
    Suspension.objects.create(user=WALLET, wanted="suspended", due_at=NOW, opened_at=NOW)
    AuditRecord.objects.create(
        at=NOW, actor="zoe", action="screening.case_confirmed", subject=WALLET, details={"entity": "SDN:99"}
    )
    page = person("ann").get(address(case)).content.decode()
    for text in (
        "1977-03-25",
        "P-778",
        "REVIEW: name is 99% like YAN, Xiaobing",
        "covered",
        "+3.50",
        "-0.25",
        "0x" + "11" * 32,
        "to be suspended",
        "ben, 2026-11-01 12:00:00 UTC",
        "passport seen",
        "screening.release_requested",
        "names-1",
    ):
        assert text in page, text
    assert "zoe" not in page


def test_what_a_payer_is_called_is_never_markup(case: Case, person: Person) -> None:
    Payer.objects.create(user=WALLET, name="<script>alert(2)</script>", recorded_at=NOW, recorded_by="<b>client</b>")
    client = person("ann")
    client.post(address(case, "release/"), {"reason": "<script>alert(3)</script>"})
    for path in (address(case), "/admin/compliance/payer/", "/admin/compliance/release/"):
        page = client.get(path).content.decode()
        assert "&lt;script&gt;alert(" in page
        assert "<script>alert" not in page
        assert "<b>client" not in page


def test_two_people_release_a_case(case: Case, person: Person) -> None:
    ann, ben = person("ann"), person("ben")
    assert 'id="approve"' not in ann.get(address(case)).content.decode()
    asked = ann.post(address(case, "release/"), {"reason": "passport seen"}, follow=True)
    assert "Somebody else has to approve" in told(asked)
    assert 'id="approve"' not in asked.content.decode()
    assert "you asked for the release" in asked.content.decode().lower()
    release = Release.objects.get()
    assert 'id="approve"' in ben.get(address(case)).content.decode()
    assert "Released" in told(ben.post(address(case, "approve/"), {"release": release.id}, follow=True))
    case.refresh_from_db()
    release.refresh_from_db()
    assert (case.state, release.requested_by, release.approved_by) == ("released", "ann", "ben")
    said = AuditRecord.objects.filter(subject=WALLET).order_by("id").values_list("actor", "action")
    assert list(said) == [("ann", "screening.release_requested"), ("ben", "screening.release_approved")]


@pytest.mark.parametrize("asked_as", ["ann", "Ann", " ANN "])
def test_who_asked_cannot_approve_whatever_the_page_offers(case: Case, person: Person, asked_as: str) -> None:
    """Also when the command line was told another spelling of the same name."""
    release = request_release(case, actor=asked_as)
    ann = person("ann")
    assert 'id="approve"' not in ann.get(address(case)).content.decode()
    assert "somebody else has to" in told(ann.post(address(case, "approve/"), {"release": release.id}, follow=True))
    case.refresh_from_db()
    assert case.state == "release_requested"


def test_a_release_that_was_not_read_is_not_approved(case: Case, person: Person) -> None:
    first = request_release(case)
    releases.revoke(release_id=first.id, actor="ann", reason="wrong", now=NOW)
    request_release(case)
    answer = person("ben").post(address(case, "approve/"), {"release": first.id}, follow=True)
    assert "another release is waiting" in told(answer)
    assert not Release.objects.filter(approved_at__isnull=False).exists()


def test_confirming_needs_a_reason(case: Case, person: Person) -> None:
    client = person("ann")
    assert "say why" in told(client.post(address(case, "confirm/"), {"reason": "  "}, follow=True))
    assert "say why" in told(client.post(address(case, "release/"), {}, follow=True))
    case.refresh_from_db()
    assert case.state == "open"
    assert "Confirmed" in told(client.post(address(case, "confirm/"), {"reason": "same passport"}, follow=True))
    case.refresh_from_db()
    assert (case.state, case.moved_by, case.note) == ("confirmed", "ann", "same passport")


@pytest.mark.parametrize("reason", ["\0", "x" * 2_001])
def test_a_reason_that_cannot_be_stored_is_a_message(case: Case, person: Person, reason: str) -> None:
    client = person("ann")
    for act in ("release/", "confirm/"):
        assert "a reason is text" in told(client.post(address(case, act), {"reason": reason}, follow=True))


def test_what_the_domain_refuses_is_a_message(case: Case, person: Person) -> None:
    client = person("ann")
    assert "nobody asked" in told(client.post(address(case, "approve/"), {"release": 1}, follow=True))
    request_release(case)
    assert "no release can be asked for" in told(client.post(address(case, "release/"), {"reason": "x"}, follow=True))


def test_what_does_not_exist_is_a_page_and_what_cannot_be_is_not_an_error_of_ours(person: Person) -> None:
    client = person("ann")
    for path in ("/admin/compliance/case/999999/", f"/admin/compliance/case/{10**30}/", "/admin/nowhere/"):
        answer = client.get(path)
        assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (404, "text/html"), path
    assert client.post("/admin/compliance/case/999999/confirm/", {"reason": "x"}).status_code == 404
    assert client.get("/admin/compliance/case/1/confirm/").status_code == 405
    assert client.get("/admin/compliance/case/?q=%00").status_code == 200
    assert client.get("/admin/compliance/case/?band=%00").status_code in (200, 302, 400)


def test_a_release_is_taken_back_with_a_reason(case: Case, person: Person) -> None:
    release = request_release(case)
    releases.approve(release_id=release.id, actor="ben", now=NOW)
    client = person("ann")
    body = {"action": "take_back", "_selected_action": [release.id], "index": "0"}
    asked = client.post("/admin/compliance/release/", body)
    assert "Reason, for the audit log" in asked.content.decode()
    assert "say why" in told(client.post("/admin/compliance/release/", {**body, "reason": " "}, follow=True))
    assert "taken back" in told(client.post("/admin/compliance/release/", {**body, "reason": "forged"}, follow=True))
    release.refresh_from_db()
    assert release.revoked_by == "ann"
    assert Case.objects.filter(state="open").count() == 1
    again = client.post("/admin/compliance/release/", {**body, "reason": "forged"}, follow=True)
    assert "already" in told(again)


@pytest.mark.parametrize("act", ACTS)
def test_a_forged_form_is_refused(case: Case, person: Person, act: str) -> None:
    client = person("ann", checks=True)
    answer = client.post(address(case, act), {"reason": "x"})
    assert (answer.status_code, "not sent from a page of ours" in answer.content.decode()) == (403, True)
    case.refresh_from_db()
    assert case.state == "open"
    client.get(address(case))
    token = client.cookies["csrftoken"].value
    assert client.post(address(case, act), {"reason": "x", "csrfmiddlewaretoken": token}).status_code == 302
