"""Signing in: names in one form, a limit to guessing that also holds for many at once, and no oracle for names."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone
from structlog.testing import capture_logs

from fiatrails.accounts import people, sign_ins
from fiatrails.accounts.housekeeping import _purge
from fiatrails.accounts.models import SignInFailure
from fiatrails.admin import forms
from fiatrails.controls.models import AuditRecord
from tests.conftest import SteppedClock
from tests.integration.admin.conftest import NOW, PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)
WRONG = "Please enter the correct username and password for a staff account."
WAIT = "Too many failed attempts under this name. Wait 15 minutes and try again."
STOPPED = "Too many failed attempts from this address. Wait 15 minutes and try again."
HERE, THERE, PROXY = "203.0.113.9", "198.51.100.7", "10.0.0.1"


@pytest.fixture(autouse=True)
def stepped(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch, officers: None) -> SteppedClock:
    """The clock of the sign-in, and one account."""
    monkeypatch.setattr(forms, "CLOCK", clock)
    people.add(name="ann", password=PASSWORD, officer=True, actor="root", now=NOW)
    return clock


def sign_in(name: str, password: str, *, at: str = HERE, forwarded: str = "") -> Any:
    headers = {"X-Forwarded-For": forwarded} if forwarded else None
    body = {"username": name, "password": password}
    return Client(REMOTE_ADDR=at).post("/admin/login/?next=/admin/", body, headers=headers)


def said(answer: Any) -> str:
    if answer.status_code == 302:
        return "in"
    # From the page itself: contexts that the test client records are those of every thread.
    message = re.search(r'<p class="errornote">\s*(.*?)\s*</p>', answer.content.decode(), re.DOTALL)
    assert message is not None
    return message[1].partition(" Note that")[0]


@pytest.mark.parametrize("name", ["ann", "Ann", " ANN "])
def test_upper_and_lower_case_of_names_are_one(name: str) -> None:
    answer = sign_in(name, PASSWORD)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_after_five_failures_the_name_waits_and_the_right_password_too(stepped: SteppedClock) -> None:
    assert [said(sign_in(name, "guess")) for name in ("ann", "ANN", "Ann", "ann", "ann")] == [WRONG] * 5
    assert said(sign_in("ann", PASSWORD)) == WAIT
    [locked] = AuditRecord.objects.filter(action="operator.locked_out")
    assert (locked.subject, locked.details) == ("ann", {"failures": 5, "minutes": 15, "everywhere": False})
    stepped.advance(minutes=14)
    assert said(sign_in("ann", PASSWORD)) == "Too many failed attempts under this name. Wait 1 minute and try again."
    stepped.advance(minutes=1)
    assert said(sign_in("ann", PASSWORD)) == "in"


def test_four_failures_are_forgiven_and_others_do_not_wait(stepped: SteppedClock) -> None:
    people.add(name="ben", password=PASSWORD, officer=False, actor="root", now=NOW)
    for _ in range(4):
        sign_in("ann", "guess")
    assert said(sign_in("ann", PASSWORD)) == said(sign_in("ann", PASSWORD)) == "in"
    assert said(sign_in("ann", "guess")) == WRONG
    assert said(sign_in("ann", PASSWORD)) == WAIT
    assert said(sign_in("ben", PASSWORD)) == "in"


def test_a_name_that_nobody_has_is_answered_like_one_that_somebody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    people.add(name="old", password=PASSWORD, officer=True, actor="root", now=NOW)
    people.disable(name="old", actor="root", now=NOW)
    hashed: list[str] = []
    original = hashers.MD5PasswordHasher.encode

    def encode(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return original(self, password, salt)

    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", encode)
    answers, work = {}, {}
    for name in ("ann", "nobody", "old"):
        hashed.clear()
        answers[name] = [said(sign_in(name, "guess")) for _ in range(7)]
        work[name] = len(hashed)
    assert answers["nobody"] == answers["old"] == answers["ann"] == [WRONG] * 5 + [WAIT] * 2
    assert work["nobody"] == work["old"] == work["ann"] == 5
    locked = AuditRecord.objects.filter(action="operator.locked_out").values_list("subject", flat=True)
    assert sorted(locked) == ["ann", "old"]


def test_of_many_guesses_at_once_five_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    both = threading.Barrier(12)
    original = User.check_password

    def check(self: User, password: str) -> bool:
        looked_at.append(password)
        return original(self, password)

    monkeypatch.setattr(User, "check_password", check)

    def guess(number: int) -> str:
        try:
            both.wait(20)
            return said(sign_in("ann", f"guess {number}"))
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(guess, range(12)))
    assert (answers.count(WRONG), answers.count(WAIT), len(looked_at)) == (5, 7, 5)
    assert AuditRecord.objects.filter(action="operator.locked_out").count() == 1


def test_many_names_from_one_address_are_stopped_and_another_address_is_not(stepped: SteppedClock) -> None:
    with capture_logs() as lines:
        assert [said(sign_in(f"name{number}", "Spring2026!")) for number in range(20)] == [WRONG] * 20
        assert said(sign_in("name20", "Spring2026!")) == said(sign_in("ann", PASSWORD)) == STOPPED
    assert said(sign_in("ann", PASSWORD, at=THERE)) == "in"
    [line] = [line for line in lines if line["event"] == "operator.address_stopped"]
    assert (line["network"], line["minutes"]) == ("203.0.113.0/24", 15)
    assert SignInFailure.objects.filter(address=HERE).count() == 20
    stepped.advance(minutes=14)
    assert said(sign_in("ann", PASSWORD)) == STOPPED.replace("15 minutes", "1 minute")
    stepped.advance(minutes=1)
    assert said(sign_in("ann", PASSWORD)) == "in"


def test_of_many_names_at_once_from_one_address_twenty_are_looked_at() -> None:
    together = threading.Barrier(13)

    def guess(number: int) -> str:
        try:
            together.wait(20)
            return said(sign_in(f"name{number}", "Spring2026!"))
        finally:
            connection.close()

    with ThreadPoolExecutor(13) as pool:
        answers = list(pool.map(guess, range(26)))
    assert (answers.count(WRONG), answers.count(STOPPED)) == (20, 6)


def test_behind_our_proxy_the_address_is_what_the_proxy_wrote(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ("10.0.0.0/8",)
    for number in range(20):
        # What stands in front of it is written by the client, who changes it each time.
        sign_in(f"name{number}", "guess", at=PROXY, forwarded=f"192.0.2.{number}, {HERE}")
    assert said(sign_in("ann", PASSWORD, at=PROXY, forwarded=f"192.0.2.99, {HERE}")) == STOPPED
    assert said(sign_in("ann", PASSWORD, at=PROXY, forwarded=THERE)) == "in"


def test_addresses_of_one_ipv6_network_are_one() -> None:
    for number in range(20):
        sign_in(f"name{number}", "guess", at=f"2001:db8:1:2::{number:x}")
    assert said(sign_in("ann", PASSWORD, at="2001:db8:1:2:ffff::1")) == STOPPED
    assert said(sign_in("ann", PASSWORD, at="2001:db8:1:3::1")) == "in"


def test_who_guesses_at_one_address_does_not_lock_a_name_out_elsewhere() -> None:
    for _ in range(7):
        sign_in("ann", "guess")
    assert said(sign_in("ann", PASSWORD)) == WAIT
    assert said(sign_in("ann", PASSWORD, at=THERE)) == "in"


def test_a_name_that_is_guessed_at_from_many_addresses_waits_everywhere(stepped: SteppedClock) -> None:
    for number in range(20):
        assert said(sign_in("ann", "guess", at=f"203.0.113.{number // 3}")) == WRONG
    assert said(sign_in("ann", PASSWORD, at=THERE)) == WAIT
    assert AuditRecord.objects.get(action="operator.locked_out").details["everywhere"] is True
    stepped.advance(minutes=15)
    assert said(sign_in("ann", PASSWORD, at=THERE)) == "in"


def test_a_new_password_ends_the_wait() -> None:
    for _ in range(5):
        sign_in("ann", "guess")
    people.renew_password(name="ann", password=PASSWORD + "!", actor="root", now=NOW)
    assert said(sign_in("ann", PASSWORD + "!")) == "in"


def test_an_account_that_is_disabled_is_out_at_once_and_its_session_does_not_come_back() -> None:
    client = Client()
    client.post("/admin/login/", {"username": "ann", "password": PASSWORD})
    assert client.get("/admin/compliance/case/").status_code == 200
    people.disable(name="ann", actor="root", now=NOW)
    assert client.get("/admin/compliance/case/").status_code == 302
    assert said(sign_in("ann", PASSWORD)) == WRONG
    people.renew_password(name="ann", password=PASSWORD, actor="root", now=NOW)
    assert client.get("/admin/compliance/case/").status_code == 302
    assert said(sign_in("ann", PASSWORD)) == "in"


def test_a_changed_password_is_audited_and_ends_other_sessions() -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post("/admin/login/", {"username": "ann", "password": PASSWORD})
    body = {"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}
    assert "too short" in here.post("/admin/password_change/", body).content.decode()
    body |= {"new_password1": PASSWORD + "!", "new_password2": PASSWORD + "!"}
    assert here.post("/admin/password_change/", body)["Location"] == "/admin/password_change/done/"
    assert here.get("/admin/compliance/case/").status_code == 200
    assert elsewhere.get("/admin/compliance/case/").status_code == 302
    assert AuditRecord.objects.get(action="operator.password_changed").actor == "ann"


def test_a_sign_in_leads_to_no_other_site() -> None:
    body = {"username": "ann", "password": PASSWORD, "next": "https://elsewhere.example/"}
    answer = Client().post("/admin/login/", body)
    assert "elsewhere" not in answer["Location"]


def test_what_is_over_is_removed(stepped: SteppedClock) -> None:
    sign_in("ann", "guess")
    sign_in("ann", PASSWORD)
    assert (SignInFailure.objects.count(), Session.objects.count()) == (1, 1)
    assert sign_ins.purge(now=stepped.advance(minutes=14)) == 0
    Session.objects.update(expire_date=timezone.now() - timedelta(days=365))
    stepped.advance(minutes=1)
    assert _purge(stepped) == "1 sessions, 1 failures"
