"""Issue access tokens, and refuse requests without one."""

import threading
import time

from sandbox.kit.messages import Request
from sandbox.mpesa.ids import MpesaIds
from sandbox.mpesa.refusals import daraja_refusal


class Tokens:
    """The access tokens given out. They live in memory: a restart invalidates them all."""

    def __init__(self, ids: MpesaIds, lifetime_s: float) -> None:
        self._ids = ids
        self._lifetime_s = lifetime_s
        self._lock = threading.Lock()
        self._expiry: dict[str, float] = {}

    def issue(self) -> dict[str, str]:
        """Return a new token in Daraja's form."""
        token = self._ids.token()
        now = time.monotonic()
        with self._lock:
            self._expiry = {known: end for known, end in self._expiry.items() if end > now}
            self._expiry[token] = now + self._lifetime_s
        return {"access_token": token, "expires_in": str(int(self._lifetime_s))}

    def is_valid(self, token: str) -> bool:
        """Return whether a token was issued here and has not expired."""
        with self._lock:
            return self._expiry.get(token, 0.0) > time.monotonic()

    def revoke(self) -> int:
        """Invalidate every token and return how many there were."""
        with self._lock:
            count, self._expiry = len(self._expiry), {}
        return count


def require_token(tokens: Tokens, request: Request) -> None:
    """Refuse a request without a valid token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise daraja_refusal(404, "404.001.04", "Invalid Authentication Header")
    if not tokens.is_valid(token.strip()):
        raise daraja_refusal(404, "404.001.03", "Invalid Access Token")
