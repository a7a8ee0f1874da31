"""What is run for whom: the admin's middlewares below /admin/ only, and nothing at all where it is switched off."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import OperationalError
from django.http import HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.test import Client, RequestFactory
from whitenoise.middleware import WhiteNoiseMiddleware

from fiatrails.admin.cases import CaseAdmin
from fiatrails.admin.middleware import BelowAdmin
from tests.integration.admin.conftest import Person
from tests.kit.processes import ROOT

pytestmark = pytest.mark.django_db
STEPS = (
    (SecurityMiddleware, "process_request"),
    (WhiteNoiseMiddleware, "__call__"),
    (XFrameOptionsMiddleware, "process_response"),
    (SessionMiddleware, "process_request"),
    (SessionMiddleware, "process_response"),
    (AuthenticationMiddleware, "process_request"),
    (MessageMiddleware, "process_request"),
    (CsrfViewMiddleware, "process_request"),
    (CsrfViewMiddleware, "process_view"),
    (CsrfViewMiddleware, "process_response"),
)
OF_THE_API = (
    ("GET", "/health"), ("GET", "/metrics"), ("GET", "/api/v1/schema"), ("POST", "/api/v1/mint-intents"),
    ("GET", "/mint-intents"), ("POST", "/api/v1/callbacks/mpesa"), ("GET", "/nothing"), ("GET", "/administration"),
    ("GET", "/x/admin/"), ("GET", "/adminx"), ("POST", "/api/v1/callbacks/mpesa/guessed/stk"),
)  # fmt: skip


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Steps of the admin's middlewares that were run."""
    found: set[str] = set()

    def watch(kind: type, step: str) -> None:
        original = getattr(kind, step)

        def watched(self: Any, *arguments: Any) -> Any:
            found.add(f"{kind.__name__}.{step}")
            return original(self, *arguments)

        monkeypatch.setattr(kind, step, watched)

    for kind, step in STEPS:
        watch(kind, step)
    return found


def test_below_admin_every_step_is_run(ran: set[str]) -> None:
    assert Client().get("/admin/login/").status_code == 200
    assert ran == {f"{kind.__name__}.{step}" for kind, step in STEPS}


@pytest.mark.parametrize(("method", "path"), OF_THE_API)
def test_the_api_runs_none_and_sets_no_cookie(ran: set[str], method: str, path: str, person: Person) -> None:
    client = person("ann")
    client.get("/admin/")
    assert ran
    ran.clear()
    answer = client.generic(method, path)
    assert ran == set()
    assert answer.cookies == {}
    assert {"Content-Security-Policy", "X-Frame-Options", "Vary", "Set-Cookie"} & set(answer.headers) == set()
    assert answer.headers["Content-Type"].partition(";")[0] != "text/html"


def test_a_forged_form_is_refused_before_any_view_also_one_that_does_not_ask() -> None:
    """The views of Django's admin ask by themselves; one that is added later must not have to."""
    layer = BelowAdmin(lambda _: HttpResponse())
    for path, refused in (("/admin/later/", True), ("/mint-intents", False)):
        answer = layer.process_view(RequestFactory().post(path), lambda _: HttpResponse(), (), {})
        assert (answer is not None and answer.status_code == 403) is refused, path


def test_switched_off_there_is_no_such_address(settings: Any) -> None:
    settings.ROOT_URLCONF = "fiatrails.config.urls"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "admin" not in name]
    client = Client()
    usual = client.get("/nothing").json()
    for path in ("/admin", "/admin/", "/admin/login/", "/admin/compliance/case/", "/admin/static/admin/css/base.css"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]) == (404, usual["error"])


@pytest.mark.parametrize("value", ["", "false", "true"])
def test_it_is_off_by_default(value: str) -> None:
    program = (
        "from django.conf import settings as s\n"
        "on = 'fiatrails.admin.middleware.BelowAdmin' in s.MIDDLEWARE\n"
        "assert on == s.ADMIN_ENABLED == (s.ROOT_URLCONF == 'fiatrails.config.urls_admin')\nprint(on)"
    )
    environment = {"ADMIN_ENABLED": value, "DJANGO_SETTINGS_MODULE": "fiatrails.config.settings.test", "PATH": "/bin"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(value == "true")


def test_the_address_without_its_slash_leads_there() -> None:
    answer = Client().get("/admin")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


@pytest.mark.parametrize(("error", "status"), [(OperationalError("secret"), 503), (RuntimeError("secret"), 500)])
def test_what_fails_is_a_page_without_its_text(
    person: Person, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(CaseAdmin, "get_queryset", fail)
    answer = person("ann").get("/admin/compliance/case/")
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (status, "text/html")
    assert answer["X-Request-Id"] in answer.content.decode()
    assert "secret" not in answer.content.decode()
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


def test_what_django_refuses_is_a_page_below_admin_and_json_elsewhere(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["rail.example"]
    client = Client()
    for path, kind in (("/admin/login/", "text/html"), ("/nothing", "application/json")):
        answer = client.post(path, headers={"Host": "elsewhere.example"})
        assert answer["Content-Type"].partition(";")[0] == kind, path
        assert answer.status_code in (400, 403, 404)
