"""The admin, switched on in this process, and people to use it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client
from whitenoise.middleware import WhiteNoiseMiddleware

from fiatrails.accounts import people
from fiatrails.compliance.models import Case
from fiatrails.compliance.sanctions import cases

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
WALLET = "0x" + "a1" * 20
PASSWORD = "correct horse battery"
HIT = {
    "uid": "SDN:36",
    "entity": "f" * 64,
    "band": "review",
    "score": 0.91,
    "listed": "YAN, Xiaobing",
    "reason": "name is 99% like YAN, Xiaobing",
    "features": {"covered": 3.5, "order": -0.25},
}
PARTY = {
    "name": "<script>alert(1)</script>",
    "type": "person",
    "born": "1977-03-25",
    "countries": ["CN"],
    "identifiers": ["P-778"],
    "wallets": [WALLET],
    "hits": [HIT],
}
Person = Callable[..., Client]


@pytest.fixture(autouse=True)
def admin_is_on(settings: Any) -> None:
    """As ADMIN_ENABLED=true does; hashing of passwords is made quick."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "fiatrails.admin.middleware.BelowAdmin"]
    settings.ROOT_URLCONF = "fiatrails.config.urls_admin"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session", autouse=True)
def files_found_once() -> Iterator[None]:
    """Each client would look at every file of the admin again, which takes longer than most of its requests."""
    known: dict[str, Any] = {}
    find = WhiteNoiseMiddleware.add_files_from_finders

    def add_known(middleware: WhiteNoiseMiddleware) -> None:
        if not known:
            find(middleware)
            known.update(middleware.files)
        middleware.files.update(known)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add_known)
        yield


@pytest.fixture
def officers(db: None) -> None:
    """The group, which other tests may have emptied out of the database together with everything else."""
    importlib.import_module("fiatrails.accounts.migrations.0001_initial").make_officers(apps, None)


@pytest.fixture
def person(officers: None) -> Person:
    """A signed-in operator: an officer, or one with these permissions."""

    def make(name: str, *, officer: bool = True, permissions: tuple[str, ...] = (), checks: bool = False) -> Client:
        people.add(name=name, password=PASSWORD, officer=officer, actor="root", now=NOW)
        user = User.objects.get(username=name)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client(enforce_csrf_checks=checks)
        client.force_login(user)
        return client

    return make


@pytest.fixture
def case(db: None) -> Case:
    """A case that stands."""
    return open_case()


def open_case(*, entity: str = "f" * 64, name: str = "YAN, Xiaobing", user: str = WALLET) -> Case:
    evidence = {"parties": [PARTY], "lists": [7], "digest": "d" * 8, "algorithm": "names-1"}
    finding = cases.OpenHit(entity, "SDN:36", name, "review", "name is 99% like YAN, Xiaobing", evidence)
    with transaction.atomic():
        cases.open_for(user, [finding], origin="payment", now=NOW, intent_id="0x" + "11" * 32)
    return Case.objects.latest("id")


def address(case: Case, act: str = "") -> str:
    return f"/admin/compliance/case/{case.id}/{act}"


def told(response: Any) -> str:
    """The messages of the page that an answer leads to."""
    return " ".join(str(message) for message in response.context["messages"])
