"""Several secrets at once, windows of validity, quotas: against the database, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from prometheus_client import REGISTRY
from pydantic import SecretStr

from fiatrails.api import clients, throttling
from fiatrails.api.authentication import verify
from fiatrails.api.clients import KEY_RING
from fiatrails.api.models import ApiClient, ApiSecret
from fiatrails.controls.models import AuditRecord
from fiatrails.kernel.clock import unix
from fiatrails.kernel.errors import BadInput, Conflict, TooMany, Unauthorized
from tests.functional.api.live import CLIENT_SECRET, CLIENT_SECRET_NEW, signed

pytestmark = pytest.mark.django_db
PARTNER_SECRET = "partner-secret-0123456789abcdefghijklmno"
RAW = b'{"a":1}'


@pytest.fixture(autouse=True)
def _two_secrets(configure: Callable[..., Any]) -> Iterator[None]:
    configure(client_secrets=(("current", SecretStr(CLIENT_SECRET)), ("new", SecretStr(CLIENT_SECRET_NEW))))
    KEY_RING.forget()
    yield
    KEY_RING.forget()


def sent(secret: str, *, now: datetime, **headers: str) -> Any:
    given = signed(RAW, secret=secret, at=unix(now), **headers)
    meta = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in given.items() if name != "Content-Type"}
    return RequestFactory().post("/mint-intents", data=RAW, content_type="application/json", **meta)


def verifications(key: str, result: str) -> float:
    labels = {"key": key, "result": result}
    return REGISTRY.get_sample_value("fiatrails_hmac_verifications_total", labels) or 0.0


@pytest.mark.parametrize(("secret", "name"), [(CLIENT_SECRET, "current"), (CLIENT_SECRET_NEW, "new")])
def test_both_secrets_sign_during_a_rotation_and_are_counted_apart(clock: Any, secret: str, name: str) -> None:
    before = verifications(name, "valid")
    assert verify(sent(secret, now=clock.now()), now=clock.now()).key_id == name
    assert verifications(name, "valid") == before + 1


def test_the_old_secret_ends_with_the_configuration(clock: Any, configure: Callable[..., Any]) -> None:
    configure(client_secrets=(("current", SecretStr(CLIENT_SECRET_NEW)),))
    assert verify(sent(CLIENT_SECRET_NEW, now=clock.now()), now=clock.now()).key_id == "current"
    before = verifications("none", "invalid")
    with pytest.raises(Unauthorized):
        verify(sent(CLIENT_SECRET, now=clock.now()), now=clock.now())
    assert verifications("none", "invalid") == before + 1


def add_partner(clock: Any, key_id: str = "partner-1", secret: str = PARTNER_SECRET, **window: Any) -> None:
    if not ApiClient.objects.filter(name="partner").exists():
        clients.create_client(name="partner", quota_per_min=3, actor="test", now=clock.now())
    window = {"valid_from": clock.now(), "valid_until": None, **window}
    clients.add_secret(
        client="partner", key_id=key_id, secret=SecretStr(secret), actor="test", now=clock.now(), **window
    )


def test_another_client_names_its_key(clock: Any) -> None:
    add_partner(clock)
    key = verify(sent(PARTNER_SECRET, now=clock.now(), X_Key_Id="partner-1"), now=clock.now())
    assert (key.client, key.key_id) == ("partner", "partner-1")
    with pytest.raises(Unauthorized):
        verify(sent(PARTNER_SECRET, now=clock.now()), now=clock.now())
    with pytest.raises(Unauthorized):
        verify(sent(CLIENT_SECRET, now=clock.now(), X_Key_Id="partner-1"), now=clock.now())


def test_a_secret_counts_within_its_window_only(clock: Any) -> None:
    start, end = clock.now() + timedelta(seconds=10), clock.now() + timedelta(seconds=20)
    add_partner(clock, valid_from=start, valid_until=end)

    def accepted() -> bool:
        try:
            return bool(verify(sent(PARTNER_SECRET, now=clock.now(), X_Key_Id="partner-1"), now=clock.now()))
        except Unauthorized:
            return False

    assert not accepted()
    clock.advance(seconds=10)
    assert accepted()
    clock.advance(seconds=9)
    assert accepted()
    clock.advance(seconds=1)
    assert not accepted()


def test_an_ended_secret_is_refused_within_five_seconds_elsewhere(clock: Any) -> None:
    add_partner(clock)
    request = {"X_Key_Id": "partner-1"}
    verify(sent(PARTNER_SECRET, now=clock.now(), **request), now=clock.now())
    # As another process does it: this process's memory is not told.
    ApiSecret.objects.update(valid_until=clock.now())
    clock.advance(seconds=5)
    with pytest.raises(Unauthorized):
        verify(sent(PARTNER_SECRET, now=clock.now(), **request), now=clock.now())


def test_the_hot_path_does_not_query(clock: Any, django_assert_num_queries: Callable[..., Any]) -> None:
    verify(sent(CLIENT_SECRET, now=clock.now()), now=clock.now())
    clock.advance(seconds=4)
    with django_assert_num_queries(0):
        verify(sent(CLIENT_SECRET, now=clock.now()), now=clock.now())


def test_a_client_that_is_switched_off_signs_no_more(clock: Any) -> None:
    ApiClient.objects.create(name="default", active=False, created_at=clock.now())
    with pytest.raises(Unauthorized):
        verify(sent(CLIENT_SECRET, now=clock.now()), now=clock.now())


def test_secrets_are_unreadable_at_rest_and_in_logs(clock: Any) -> None:
    add_partner(clock)
    stored = bytes(ApiSecret.objects.get().sealed)
    assert PARTNER_SECRET.encode() not in stored
    assert PARTNER_SECRET not in repr(KEY_RING.candidates("partner-1", now=clock.now()))
    assert PARTNER_SECRET not in json.dumps(list(AuditRecord.objects.values_list("details", flat=True)))
    assert list(AuditRecord.objects.order_by("pk").values_list("action", flat=True)) == [
        "api_client.create",
        "api_secret.add",
    ]


def test_key_ids_and_weak_secrets_are_refused(clock: Any) -> None:
    add_partner(clock)
    with pytest.raises(Conflict):
        add_partner(clock)
    with pytest.raises(BadInput):
        add_partner(clock, key_id="current")
    with pytest.raises(BadInput):
        add_partner(clock, key_id="partner-2", secret="too short")
    with pytest.raises(BadInput):
        add_partner(clock, key_id="partner-2", valid_until=clock.now())


def test_the_quota_counts_per_minute_and_says_when_to_come_back(clock: Any) -> None:
    clock.advance(seconds=15)
    for _ in range(3):
        throttling.count_client("partner", quota=3, now=clock.now())
    with pytest.raises(TooMany) as refused:
        throttling.count_client("partner", quota=3, now=clock.now())
    assert refused.value.retry_after == 45
    clock.advance(seconds=45)
    throttling.count_client("partner", quota=3, now=clock.now())


def test_strangers_are_counted_by_address_and_old_counters_go(clock: Any) -> None:
    request = RequestFactory().get("/api/v1/schema", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="203.0.113.9")
    for _ in range(throttling.ANONYMOUS_PER_MIN):
        throttling.count_anonymous(request, now=clock.now())
    with pytest.raises(TooMany):
        throttling.count_anonymous(request, now=clock.now())
    throttling.count_anonymous(RequestFactory().get("/", REMOTE_ADDR="192.0.2.2"), now=clock.now())
    clock.advance(minutes=3)
    assert throttling.purge_counters(now=clock.now()) == 2


def test_counters_are_not_logged_to_disk(clock: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'api_rate_counter'")
        assert cursor.fetchone()[0] == "u"
