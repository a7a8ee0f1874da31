"""Who calls: `X-Request-Signature` = hex HMAC-SHA256(secret, `X-Request-Timestamp` + raw body).

The signature covers neither path nor idempotency key (third-party clients speak it that way). What a captured request
can do is bounded by the window, by the txRef, which makes one intent only, and by the client's own data on reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from fiatrails.api.bodies import raw_body
from fiatrails.api.clients import KEY_RING, Key
from fiatrails.api.clock import CLOCK
from fiatrails.api.throttling import count_client
from fiatrails.kernel import metrics
from fiatrails.kernel.clock import unix
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import Unauthorized
from fiatrails.kernel.signatures import matching_key, require_fresh

_TIMESTAMP = re.compile(r"[0-9]{1,11}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated API client."""

    client: str
    key_id: str
    is_authenticated: bool = True


class SignedRequest(BaseAuthentication):
    """Unauthorized when a header is missing, no valid secret signed, or the timestamp is outside the window."""

    def authenticate(self, request: Request) -> tuple[Caller, None]:
        """Return the caller, and count the request against its quota now that it is known who it is."""
        now = CLOCK.now()
        key = verify(request._request, now=now)
        structlog.contextvars.bind_contextvars(client=key.client)
        count_client(key.client, quota=KEY_RING.quota(key.client, now=now), now=now)
        return Caller(key.client, key.key_id), None


def verify(request: HttpRequest, *, now: datetime) -> Key:
    """Return the key that signed the request; Unauthorized when none did, or the timestamp is stale."""
    raw = raw_body(request)
    timestamp, signature = _headers(request)
    candidates = KEY_RING.candidates(request.META.get("HTTP_X_KEY_ID") or None, now=now)
    secrets = [(key, key.secret.get_secret_value().encode()) for key in candidates]
    key = matching_key(secrets, timestamp.encode() + raw, signature)
    if key is None:
        metrics.hmac_verifications.labels(key="none", result="invalid").inc()
        raise Unauthorized(
            "bad_signature", "X-Request-Signature must be the hex HMAC-SHA256 of X-Request-Timestamp and the raw body"
        )
    try:
        require_fresh(int(timestamp), unix(now), profile().timeouts.signature_tolerance_s)
    except Unauthorized:
        metrics.hmac_verifications.labels(key=key.key_id, result="stale").inc()
        raise
    metrics.hmac_verifications.labels(key=key.key_id, result="valid").inc()
    return key


def _headers(request: HttpRequest) -> tuple[str, str]:
    timestamp = request.META.get("HTTP_X_REQUEST_TIMESTAMP", "")
    signature = request.META.get("HTTP_X_REQUEST_SIGNATURE", "")
    if not timestamp or not signature:
        raise Unauthorized("unsigned", "X-Request-Timestamp and X-Request-Signature are required")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise Unauthorized("malformed_timestamp", "X-Request-Timestamp must be Unix seconds")
    return timestamp, signature
