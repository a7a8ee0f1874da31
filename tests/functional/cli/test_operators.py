"""`fiatrails operator`: accounts of people, with passwords that nobody sees on the way."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from fiatrails.cli.kit.exits import ExitCode
from fiatrails.controls.models import AuditRecord
from tests.kit.commands import Run

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
Add = Callable[..., Any]


@pytest.fixture(autouse=True)
def officers(transactional_db: None, settings: Any) -> None:
    """The group, which other tests may have emptied out of the database together with everything else. Hashing of
    passwords is made quick."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    importlib.import_module("fiatrails.accounts.migrations.0001_initial").make_officers(apps, None)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\r\nnot this line\n")
    return str(path)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person types at the terminal, in turn."""
    module = importlib.import_module("fiatrails.accounts.management.commands.operator")
    answers: list[str] = []
    monkeypatch.setattr(module, "getpass", lambda _: answers.pop(0))
    monkeypatch.setattr(module, "_is_terminal", lambda: True)
    return answers


def test_an_officer_is_added_listed_and_disabled(run: Run, secret: str) -> None:
    assert "nobody can sign in" in run("operator", "list").out
    added = run("operator", "add", "Ann", "--password-file", secret, "--actor", "root", "--json")
    assert added.code == 0
    assert {key: added.document[key] for key in ("name", "active", "officer", "superuser", "signedInAt")} == {
        "name": "ann",
        "active": True,
        "officer": True,
        "superuser": False,
        "signedInAt": None,
    }
    user = User.objects.get()
    assert (user.is_staff, user.check_password(PASSWORD)) == (True, True)
    assert user.has_perm("operators.decide_case")
    assert "ann" in run("operator", "list").out
    assert run("operator", "disable", "ANN", "--yes", "--actor", "root", "--json").document["active"] is False
    assert not User.objects.get().has_usable_password()
    assert run("operator", "disable", "ann", "--yes").code == ExitCode.CONFLICT
    said = AuditRecord.objects.order_by("id").values_list("actor", "action", "subject")
    assert list(said) == [("root", "operator.added", "ann"), ("root", "operator.disabled", "ann")]


def test_an_operator_who_is_no_officer_may_not_decide(run: Run, secret: str) -> None:
    run("operator", "add", "joe", "--no-officer", "--password-file", secret)
    assert not User.objects.get().get_all_permissions()
    assert [one["officer"] for one in run("operator", "list", "--json").document["operators"]] == [False]


def test_the_password_is_typed_twice(run: Run, typed: list[str]) -> None:
    typed += [PASSWORD, PASSWORD + "x"]
    assert "differ" in run("operator", "add", "ann").err
    assert not User.objects.exists()
    typed += [PASSWORD, PASSWORD]
    assert run("operator", "add", "ann").code == 0
    assert User.objects.get().check_password(PASSWORD)


def test_without_a_terminal_nothing_is_asked(run: Run) -> None:
    done = run("operator", "add", "ann", answers=f"{PASSWORD}\n{PASSWORD}\n")
    assert (done.code, "--password-file" in done.err) == (2, True)


@pytest.mark.parametrize("weak", ["short", "password1234", "918273645546372819", "annannannann", ""])
def test_a_weak_password_is_refused(run: Run, tmp_path: Path, weak: str) -> None:
    path = tmp_path / "weak"
    path.write_text(weak)
    done = run("operator", "add", "annannannann", "--password-file", str(path))
    assert (done.code, "weak_password" in done.err) == (2, True)
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["", "a b", "<b>", "é", "x" * 65, "screening", "policy", "Admin"])
def test_a_name_that_cannot_stand_in_the_audit_log_is_refused(run: Run, secret: str, name: str) -> None:
    done = run("operator", "add", "--password-file", secret, "--", name)
    assert (done.code, User.objects.count()) == (ExitCode.USAGE, 0)


def test_names_are_unique_whatever_their_case(run: Run, secret: str) -> None:
    run("operator", "add", "ann", "--password-file", secret)
    assert run("operator", "add", "ANN", "--password-file", secret).code == ExitCode.CONFLICT
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("Ann")


def test_a_new_password_opens_a_disabled_account(run: Run, secret: str) -> None:
    run("operator", "add", "ann", "--password-file", secret)
    run("operator", "disable", "ann", "--yes")
    assert run("operator", "password", "ann", "--password-file", secret, "--json").document["active"] is True
    assert User.objects.get().check_password(PASSWORD)
    assert AuditRecord.objects.filter(action="operator.password_renewed", subject="ann").count() == 1


def test_an_unknown_name_or_file_is_said(run: Run, secret: str) -> None:
    assert run("operator", "disable", "nobody", "--yes").code == ExitCode.NOT_FOUND
    assert run("operator", "password", "nobody", "--password-file", secret).code == ExitCode.NOT_FOUND
    assert "cannot read" in run("operator", "add", "ann", "--password-file", "/nowhere").err
