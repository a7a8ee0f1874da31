"""/admin/ as a browser meets it: a running server, cookies, headers, files, forms."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fiatrails.local.postgres import EmbeddedPostgres
from tests.functional.api.live import Live, callback_body, new_intent, serve
from tests.kit.databases import migrated_copy
from tests.kit.processes import ROOT

PASSWORD = "correct horse battery"
WALLET = "0x" + "a1" * 20
_CASE = """
INSERT INTO compliance_case ("user", entity, entity_uid, entity_name, band, reason, evidence, origin, intent_id, state,
    opened_at, moved_at, moved_by, note)
VALUES (%s, %s, 'SDN:36', 'YAN, Xiaobing', 'review', 'a name', '{"parties": []}', 'payment', '', 'open',
    '2026-11-01', '2026-11-01', 'screening', '') RETURNING id
"""
# One process for all of them, which would otherwise each import everything anew.
_ADD_OFFICERS = """
import sys, django
from django.core.management import call_command
django.setup()
for name in sys.argv[2:]:
    call_command("operator", "add", name, "--officer", "--password-file", sys.argv[1])
"""


@pytest.fixture(scope="module")
def staffed(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database that has two officers, to be copied."""
    name = f"staffed_{uuid.uuid4().hex[:12]}"
    password: Path = tmp_path_factory.mktemp("staff") / "password"
    password.write_text(PASSWORD + "\n")
    named = {
        "DATABASE_URL": migrated_copy(postgres, name),
        "DJANGO_SETTINGS_MODULE": "fiatrails.config.settings.test",
    }
    command = [sys.executable, "-c", _ADD_OFFICERS, str(password), "ann", "ben"]
    subprocess.run(command, env={**os.environ, **named}, cwd=ROOT, check=True, timeout=60, stdout=subprocess.DEVNULL)
    return name


@pytest.fixture(scope="module")
def admin(postgres: EmbeddedPostgres, staffed: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the admin, where no money is, and two officers."""
    directory: Path = tmp_path_factory.mktemp("admin")
    database_url = migrated_copy(postgres, f"admin_{uuid.uuid4().hex[:12]}", of=staffed)
    # Two workers: who signed in at one of them is known to the other.
    with serve(database_url, directory, ADMIN_ENABLED="true", GUNICORN_WORKERS="2") as server:
        yield server


def token_in(page: httpx.Response) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert found is not None
    return found[1]


def sign_in(http: httpx.Client, name: str, password: str = PASSWORD) -> httpx.Response:
    body = {"username": name, "password": password, "csrfmiddlewaretoken": token_in(http.get("/admin/login/"))}
    return http.post("/admin/login/", data=body)


def cookies(answer: httpx.Response) -> dict[str, str]:
    return {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}


def open_case(server: Live) -> int:
    [[number]] = server.rows(_CASE, WALLET, uuid.uuid4().hex * 2)
    return int(number)


def test_two_people_release_a_case_over_http(admin: Live) -> None:
    page = f"/admin/compliance/case/{open_case(admin)}/"
    with admin.client() as ann, admin.client() as ben:
        for http, name in ((ann, "ann"), (ben, "ben")):
            assert sign_in(http, name).status_code == 302
        asked = ann.post(
            f"{page}release/",
            data={"reason": "seen", "csrfmiddlewaretoken": token_in(ann.get(page))},
            follow_redirects=True,
        )
        assert "Somebody else has to approve it." in asked.text
        release = re.search(r'name="release" value="(\d+)"', ben.get(page).text)
        assert release is not None
        body = {"release": release[1]}
        assert ben.post(f"{page}approve/", data=body).status_code == 403
        assert (
            "cannot approve"
            in ann.post(
                f"{page}approve/", data=body | {"csrfmiddlewaretoken": token_in(ann.get(page))}, follow_redirects=True
            ).text
        )
        done = ben.post(
            f"{page}approve/", data=body | {"csrfmiddlewaretoken": token_in(ben.get(page))}, follow_redirects=True
        )
        assert "Held payments go on by themselves" in done.text
        assert "Nothing is left to decide." in done.text


def test_cookies_are_the_admins_own_and_short_lived(admin: Live) -> None:
    with admin.client() as http:
        set_by_page = cookies(http.get("/admin/login/"))
        set_by_sign_in = cookies(sign_in(http, "ann"))
        assert (set(set_by_page), set(set_by_sign_in)) == ({"csrftoken"}, {"csrftoken", "fiatrails_operator"})
        for line in (*set_by_page.values(), *set_by_sign_in.values()):
            assert {"HttpOnly", "Path=/admin/", "SameSite=Lax"} <= set(line.split("; "))
            # They end with the browser, and are sent over plain HTTP where no money is.
            assert not re.search("expires|max-age|secure", line, re.IGNORECASE)
        [[hours]] = admin.rows(
            "SELECT extract(epoch FROM max(expire_date) - (SELECT max(last_login) FROM auth_user)) / 3600 "
            "FROM django_session"
        )
        assert 7.9 < hours < 8.1


def test_headers_let_nothing_foreign_in(admin: Live) -> None:
    with admin.client() as http:
        for path in ("/admin/login/", "/admin/static/admin/css/base.css", "/admin/compliance/case/"):
            headers = http.get(path).headers
            assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
        assert http.get("/admin/login/").headers["X-Frame-Options"] == "DENY"


def test_pages_need_nothing_that_the_policy_forbids(admin: Live) -> None:
    page = f"/admin/compliance/case/{open_case(admin)}/"
    with admin.client() as http:
        sign_in(http, "ann")
        for path in (
            "/admin/",
            "/admin/compliance/case/",
            "/admin/compliance/release/",
            "/admin/password_change/",
            page,
        ):
            text = http.get(path).text
            assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=", text), path
            for file in re.findall(r'(?:src|href)="([^"]+\.(?:css|js|svg))"', text):
                assert http.get(file).status_code == 200, file


def test_files_are_served_without_having_been_collected(admin: Live) -> None:
    with admin.client() as http:
        found = http.get("/admin/static/operators/case.css")
        assert (found.status_code, found.headers["Content-Type"]) == (200, 'text/css; charset="utf-8"')
        assert http.get("/admin/static/../../../etc/passwd").status_code in (302, 404)


def test_the_api_beside_it_sets_no_cookie_and_takes_payments(admin: Live) -> None:
    with admin.client() as http:
        sign_in(http, "ann")
        body = new_intent()
        made = admin.make(http, body)
        paid = admin.confirm(http, callback_body(txRef=body["txRef"]))
        assert (made.status_code, paid.status_code) == (201, 200), (made.text, paid.text)
        for answer in (made, paid, http.get("/health"), http.get("/metrics"), http.get("/nothing")):
            assert not {"set-cookie", "vary", "x-frame-options", "content-security-policy"} & set(answer.headers)
        assert json.loads(http.get("/nothing").text)["error"] == "not_found"


@pytest.fixture(scope="module")
def production(postgres: EmbeddedPostgres, staffed: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server where money is, behind a proxy that speaks TLS."""
    directory: Path = tmp_path_factory.mktemp("production")
    keys = dict.fromkeys(("DJANGO_SECRET_KEY", "HMAC_SECRET", "HMAC_SECRET_NEW", "MPESA_GATEWAY_SECRET"), "0f" * 32)
    with serve(
        migrated_copy(postgres, f"production_{uuid.uuid4().hex[:12]}", of=staffed),
        directory,
        ADMIN_ENABLED="true",
        ADMIN_ORIGINS="https://rail.example",
        FIATRAILS_ENV="production",
        DJANGO_SETTINGS_MODULE="fiatrails.config.settings.production",
        **keys,
    ) as server:
        yield server


def test_where_money_is_cookies_travel_over_tls_only(production: Live) -> None:
    with production.client() as http:
        page = http.get("/admin/login/")
        [cookie] = cookies(page).values()
        assert "Secure" in cookie.split("; ")

        def sign_in_from(origin: str) -> httpx.Response:
            body = {"username": "ann", "password": PASSWORD, "csrfmiddlewaretoken": token_in(page)}
            headers = {"Origin": origin, "Cookie": cookie.partition(";")[0]}
            return http.post("/admin/login/", data=body, headers=headers)

        assert sign_in_from("https://elsewhere.example").status_code == 403
        done = sign_in_from("https://rail.example")
        assert done.status_code == 302
        assert all("Secure" in line.split("; ") for line in cookies(done).values())
