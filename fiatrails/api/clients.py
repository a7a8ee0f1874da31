"""API clients and their keys. `default` also signs with HMAC_SECRET (`current`) and HMAC_SECRET_NEW (`new`)."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from pydantic import SecretStr

from fiatrails.api.models import ApiClient, ApiSecret
from fiatrails.api.vault import seal, unseal
from fiatrails.controls import audit
from fiatrails.kernel.conf import config
from fiatrails.kernel.errors import BadInput, Conflict, NotFound

DEFAULT_CLIENT = "default"
# A revoked key may sign this long in processes that have just read the table.
FRESH_FOR = timedelta(seconds=5)
MIN_SECRET_CHARS = 32
# Of the default client while the table has no row for it; a row changes the quota, or switches the client off.
DEFAULT_QUOTA_PER_MIN = 60_000
NEW_QUOTA_PER_MIN = 600
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """One secret that may sign for `client`."""

    client: str
    key_id: str
    secret: SecretStr = field(repr=False)
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Return whether `now` lies within the key's window; the end does not belong to it."""
        return (self.valid_from is None or self.valid_from <= now) and (
            self.valid_until is None or now < self.valid_until
        )


@dataclass(frozen=True, slots=True)
class ClientView:
    """A client and its keys, past and future ones included, for people."""

    name: str
    active: bool
    quota_per_min: int
    keys: tuple[Key, ...]


class KeyRing:
    """Every key of every active client, and the quotas; read from the database at most every five seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at: datetime | None = None
        self._keys: tuple[Key, ...] = ()
        self._quotas: dict[str, int] = {}

    def candidates(self, key_id: str | None, *, now: datetime) -> list[Key]:
        """Return the keys that may have signed: the named one, else all of the default client. Other clients name
        theirs, so that the work for one request does not grow with the number of clients."""
        self._refresh(now)
        keys = (k for k in self._keys if (k.key_id == key_id if key_id else k.client == DEFAULT_CLIENT))
        return [key for key in keys if key.is_valid(now)]

    def quota(self, client: str, *, now: datetime) -> int:
        """Return the client's requests per minute; 0 for an unknown client."""
        self._refresh(now)
        return self._quotas.get(client, 0)

    def forget(self) -> None:
        """Read the table again with the next request."""
        with self._lock:
            self._read_at = None

    def _refresh(self, now: datetime) -> None:
        # A clock that was set back must not keep an old answer alive.
        if self._read_at is not None and timedelta(0) <= now - self._read_at < FRESH_FOR:
            return
        with self._lock:
            known = {client.pk: client for client in ApiClient.objects.all()}
            active = {pk: client for pk, client in known.items() if client.active}
            stored = ApiSecret.objects.filter(client__in=active)
            keys = [
                Key(active[s.client_id].name, s.key_id, unseal(bytes(s.sealed)), s.valid_from, s.valid_until)
                for s in stored
            ]
            quotas = {client.name: client.quota_per_min for client in active.values()}
            if all(client.name != DEFAULT_CLIENT for client in known.values()):
                quotas[DEFAULT_CLIENT] = DEFAULT_QUOTA_PER_MIN
            if DEFAULT_CLIENT in quotas:
                keys = [Key(DEFAULT_CLIENT, name, secret) for name, secret in config().client_secrets] + keys
            self._keys, self._quotas, self._read_at = tuple(keys), quotas, now


KEY_RING = KeyRing()


def list_clients() -> list[ClientView]:
    """Return every client by name, `default` included; secrets stay sealed, so it works when they cannot be opened."""
    rows = list(ApiClient.objects.prefetch_related("secrets").order_by("name"))
    found = [ClientView(row.name, row.active, row.quota_per_min, _keys_of(row)) for row in rows]
    if all(row.name != DEFAULT_CLIENT for row in rows):
        found.insert(0, ClientView(DEFAULT_CLIENT, True, DEFAULT_QUOTA_PER_MIN, _keys_of_environment()))
    return found


def _keys_of(row: ApiClient) -> tuple[Key, ...]:
    stored = sorted(row.secrets.all(), key=lambda secret: secret.pk)
    keys = tuple(Key(row.name, s.key_id, SecretStr(""), s.valid_from, s.valid_until) for s in stored)
    return (*_keys_of_environment(), *keys) if row.name == DEFAULT_CLIENT else keys


def _keys_of_environment() -> tuple[Key, ...]:
    return tuple(Key(DEFAULT_CLIENT, name, SecretStr("")) for name, _ in config().client_secrets)


def create_client(*, name: str, quota_per_min: int, actor: str, now: datetime) -> ApiClient:
    """Create a client without keys; Conflict when the name is taken."""
    if not _KEY_ID.fullmatch(name) or quota_per_min < 1:
        raise BadInput("bad_client", "name must be 1 to 64 letters, digits, dots or dashes; quota at least 1")
    with transaction.atomic():
        client, created = ApiClient.objects.get_or_create(
            name=name, defaults={"quota_per_min": quota_per_min, "created_at": now}
        )
        if not created:
            raise Conflict("client_exists", f"there is a client {name} already")
        audit.record(actor, "api_client.create", name, {"quotaPerMin": quota_per_min}, now=now)
    return client


def add_secret(
    *,
    client: str,
    key_id: str,
    secret: SecretStr,
    valid_from: datetime,
    valid_until: datetime | None,
    actor: str,
    now: datetime,
) -> None:
    """Let one more secret sign for the client. Conflict when the key id is taken (`current` and `new` always are)."""
    _require_usable(key_id, secret, valid_from, valid_until)
    with transaction.atomic():
        owner = ApiClient.objects.filter(name=client).first()
        if owner is None:
            raise NotFound("no_such_client", f"there is no API client {client[:64]!r}")
        _, created = ApiSecret.objects.get_or_create(
            key_id=key_id,
            defaults={
                "client": owner,
                "sealed": seal(secret),
                "valid_from": valid_from,
                "valid_until": valid_until,
                "created_at": now,
            },
        )
        if not created:
            raise Conflict("key_id_taken", "there is a key with this id already; key ids are never used again")
        audit.record(actor, "api_secret.add", key_id, {"client": client}, now=now)
    KEY_RING.forget()


def _require_usable(key_id: str, secret: SecretStr, valid_from: datetime, valid_until: datetime | None) -> None:
    if not _KEY_ID.fullmatch(key_id) or key_id in ("current", "new", "none"):
        raise BadInput(
            "bad_key_id", "key id must be 1 to 64 letters, digits, dots or dashes, and not current, new, none"
        )
    if len(secret.get_secret_value()) < MIN_SECRET_CHARS:
        raise BadInput("short_secret", f"a secret needs at least {MIN_SECRET_CHARS} characters")
    if valid_until is not None and valid_until <= valid_from:
        raise BadInput("bad_window", "valid_until must lie after valid_from")


def end_secret(*, key_id: str, at: datetime, actor: str, now: datetime) -> None:
    """End a key's validity at `at`; every process follows within five seconds."""
    with transaction.atomic():
        if not ApiSecret.objects.filter(key_id=key_id).update(valid_until=at):
            raise NotFound("no_such_key", f"there is no key {key_id[:64]!r}")
        audit.record(actor, "api_secret.end", key_id, {"at": at.isoformat()}, now=now)
    KEY_RING.forget()
