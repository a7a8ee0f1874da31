"""Posts JSON to a URL and says plainly what happened."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_ANSWER_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """What a receiver said, or the reason why nothing was heard."""

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
    """Say whether this is an absolute http(s) URL with a usable port."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def post(url: str, body: bytes, *, headers: dict[str, str] | None = None, timeout_s: float = 10) -> Answer:
    """Post once. Redirects are not followed: M-PESA does not follow them either."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    sent = {"Content-Type": "application/json", "User-Agent": "mpesa-sandbox", **(headers or {})}
    try:
        connection.request("POST", target, body, sent)
        response = connection.getresponse()
        return Answer(response.status, response.read(_ANSWER_LIMIT).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, f"{type(error).__name__}: {error}")
    finally:
        connection.close()
