"""The same key and the same body give the same answer, however often, however concurrently, whatever crashes.

The answer is stored in the transaction that does the work. While it runs, the transaction holds an advisory lock of
the key: a second request meets the lock and is told 409. A crash anywhere ends the transaction and with it the lock, so
the next request starts from nothing or finds the answer; there is no lease to wait for.

Only an answer to work that was done is stored. A refusal (400, 409, 422) changed nothing and leaves the key free.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest

from fiatrails.api.errors import InFlight
from fiatrails.api.models import IdempotencyKey
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import BadInput, Unprocessable

_KEY = re.compile(r"[!-~]{16,128}", re.ASCII)
# As the OpenAPI document describes it.
KEY_SCHEMA = {"type": "string", "minLength": 16, "maxLength": 128, "pattern": f"^{_KEY.pattern}$"}
_STORE = """
    INSERT INTO idempotency_keys (client, key, request_hash, response_status, response_body, created_at, expires_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (client, key) DO UPDATE
       SET request_hash = EXCLUDED.request_hash, response_status = EXCLUDED.response_status,
           response_body = EXCLUDED.response_body, created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at
"""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response as stored; `replayed` when it was given before."""

    status: int
    body: str
    replayed: bool = False


def key_of(request: HttpRequest) -> str:
    """Return the X-Idempotency-Key of a request; BadInput when it is missing or malformed."""
    key = request.META.get("HTTP_X_IDEMPOTENCY_KEY", "")
    if not _KEY.fullmatch(key):
        raise BadInput("malformed_idempotency_key", "X-Idempotency-Key must be 16 to 128 printable ASCII characters")
    return str(key)


def run_once(
    *, client: str, key: str, body: Mapping[str, Any], now: datetime, work: Callable[[], StoredResponse]
) -> StoredResponse:
    """Run `work` and store its answer in one transaction, unless the key was answered before.

    InFlight while another request with the key runs; Unprocessable when the key was answered for another body.
    """
    digest = _digest(body)
    with transaction.atomic():
        if not _try_lock(client, key):
            raise InFlight
        stored = IdempotencyKey.objects.filter(client=client, key=key, expires_at__gt=now).first()
        if stored is not None:
            return _replay(stored, digest)
        answer = work()
        _store(client, key, digest, answer, now)
    return answer


def _digest(body: Mapping[str, Any]) -> bytes:
    """Over the JSON value, so that another order of fields or other blanks are still the same body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).digest()


def _try_lock(client: str, key: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 4712))", [f"{client} {key}"])
        return bool(cursor.fetchone()[0])


def _replay(stored: IdempotencyKey, digest: bytes) -> StoredResponse:
    if bytes(stored.request_hash) != digest:
        raise Unprocessable("idempotency_key_reused", "X-Idempotency-Key was used for another body; use a new key")
    return replace(StoredResponse(stored.response_status, stored.response_body), replayed=True)


def _store(client: str, key: str, digest: bytes, answer: StoredResponse, now: datetime) -> None:
    expires_at = now + timedelta(seconds=profile().timeouts.idempotency_window_s)
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [client, key, digest, answer.status, answer.body, now, expires_at])


def purge_idempotency(*, now: datetime, limit: int = 10_000) -> int:
    """Delete up to `limit` expired answers; for a periodic job."""
    expired = IdempotencyKey.objects.filter(expires_at__lte=now).order_by("expires_at").values("pk")[:limit]
    return IdempotencyKey.objects.filter(pk__in=list(expired.values_list("pk", flat=True))).delete()[0]
