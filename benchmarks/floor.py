"""The floor of intake: bare WSGI, one HMAC, one INSERT with its own COMMIT. Served by the same gunicorn."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable
from typing import Any

from psycopg_pool import ConnectionPool

from tests.kit.rail import GATEWAY_SECRET

_pool: ConnectionPool | None = None


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Check the signature, store the body, answer 200."""
    global _pool  # noqa: PLW0603 - one pool per worker process, made after the fork
    if _pool is None:
        _pool = ConnectionPool(os.environ["DATABASE_URL"], min_size=16, max_size=16, open=True)
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    expected = hmac.new(GATEWAY_SECRET.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, environ["HTTP_X_MPESA_SIGNATURE"]):
        start_response("401 Unauthorized", [("Content-Length", "0")])
        return []
    with _pool.connection() as connection:
        connection.execute("INSERT INTO floor (raw) VALUES (%s)", [body])
    start_response("200 OK", [("Content-Length", "2"), ("Content-Type", "application/json")])
    return [b"{}"]
