"""Post bytes to a URL and return what was answered."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_ANSWER_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """The answer of a receiver; the status is None when there was none, and the text then says why."""

    status: int | None
    text: str

    @property
    def json(self) -> Any:
        """Return the body as JSON, or as text when it is none."""
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text

    def view(self) -> dict[str, Any]:
        """Return the answer for the control endpoints."""
        return {"httpStatus": self.status, "body": self.json}


def is_url(url: object) -> bool:
    """Return whether this is an absolute http(s) URL with a usable port."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def post(url: str, body: bytes, *, headers: Mapping[str, str], timeout_s: float) -> Answer:
    """Post once and return the answer. Redirects are not followed: senders of webhooks do not follow them either."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request("POST", target, body, dict(headers))
        response = connection.getresponse()
        return Answer(response.status, response.read(_ANSWER_LIMIT).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, f"{type(error).__name__}: {error}")
    finally:
        connection.close()
