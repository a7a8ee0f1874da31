"""The client and the provider of a walk: they call the API through its WSGI application and outlive its crashes.

What they were told is kept beyond the death of the process that told them. A patient caller repeats only what was never
answered, so an answer given before its COMMIT is an order or a payment lost for good. An eager one repeats everything,
and must be told the same again.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from wsgiref.util import setup_testing_defaults

from fiatrails.config.wsgi import application
from tests.chaos.boundaries import Boundaries
from tests.chaos.crash_slate import Slate

TOKEN = 10**18
ORDERS = "/api/v1/mint-intents"
CALLBACKS = "/api/v1/callbacks/mpesa"
_CREATED, _OK, _CONFLICT, _UNAVAILABLE = 201, 200, 409, 503


class WalkClock:
    """The time of a walk. It stands still but for the steps of the walk, so that what a process does depends on how far
    it got and never on how fast the machine is."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def now(self) -> datetime:
        """The moment it was moved to."""
        return self.moment

    def move(self, seconds: float) -> None:
        """Moves forward."""
        self.moment += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def says_again(self) -> bool:
        """Whether the same request is due again: no answer came, nothing was accepted, or the first one is still being
        handled. The lock that tells the last ends with its session; there is no lease to wait for."""
        in_flight = self.status == _CONFLICT and self.body["error"] == "request_in_flight"
        return in_flight or self.status in (NO_ANSWER.status, _UNAVAILABLE)


NO_ANSWER = Answer(0, {"Retry-After": "1"}, {})


@dataclass(slots=True)
class Caller:
    """One order and its payment. `tries`: how often a request is sent in all until it is answered; with 1 the first
    answer has to be the good one."""

    user: str
    tx_ref: str
    clock: WalkClock
    slate: Slate
    boundaries: Boundaries
    eager: bool = False
    tries: int = 1

    @property
    def idempotency_key(self) -> str:
        """The same for every repetition of the order."""
        return hashlib.sha256(self.tx_ref.encode()).hexdigest()

    def order(self) -> None:
        """Makes the intent. The repetition of an answered order is answered in the same words."""
        body = {"user": self.user, "amount": str(10 * TOKEN), "countryCode": "KES", "txRef": self.tx_ref}
        answer = self._until_told("ordered", _CREATED, lambda: self._signed("POST", ORDERS, json.dumps(body).encode()))
        if answer is not None and (told := self.slate.read("ordered")):
            assert answer.body == told, (answer, told)
            assert "Idempotent-Replayed" in answer.headers, answer
        self._remember("ordered", answer)

    def pay(self) -> None:
        """Delivers the gateway's callback. A payment that was acknowledged is known when it comes again."""
        answer = self._until_told("paid", _OK, self._callback)
        if answer is not None and self.slate.read("paid"):
            assert answer.body["status"] == "already_processed", answer
        self._remember("paid", answer)

    def require_executed(self) -> None:
        """The API shows the intent that the caller ordered, as executed, with its transaction."""
        intent_id = self.slate.read("ordered")["intentId"]
        answer = self._signed("GET", f"{ORDERS}/{intent_id}", b"")
        shown = {name: answer.body.get(name) for name in ("intentId", "txRef", "user", "amount", "status")}
        assert shown == {
            "intentId": intent_id,
            "txRef": self.tx_ref,
            "user": self.user,
            "amount": str(10 * TOKEN),
            "status": "executed",
        }, answer
        assert answer.body["txHash"], answer
        assert self.slate.read("paid")["intentId"] == intent_id, "the payment was acknowledged for another intent"

    def _until_told(self, name: str, wanted: int, send: Callable[[], Answer]) -> Answer | None:
        """Sends until it is answered, as often as clients and providers do; None when there is nothing to ask."""
        if self.slate.read(name) and not self.eager:
            return None
        answer = NO_ANSWER
        for _ in range(self.tries):
            answer = _attempt(send)
            if not answer.says_again:
                break
            self.clock.move(float(answer.headers["Retry-After"]))
        assert answer.status == wanted, (name, answer)
        return answer

    def _remember(self, name: str, answer: Answer | None) -> None:
        if answer is not None:
            self.slate.write(name, answer.body)

    def _signed(self, method: str, path: str, body: bytes) -> Answer:
        """A request of the client, signed now."""
        timestamp = str(int(self.clock.now().timestamp()))
        headers = {
            "X-Idempotency-Key": self.idempotency_key,
            "X-Request-Timestamp": timestamp,
            "X-Request-Signature": _sign("HMAC_SECRET", timestamp.encode() + body),
        }
        return self._exchange(method, path, body, headers)

    def _callback(self) -> Answer:
        """The gateway's callback, with the time of this delivery, which it has to carry."""
        paid = {"txRef": self.tx_ref, "amount": 10, "phone": "254712345678"}
        body = json.dumps({**paid, "timestamp": int(self.clock.now().timestamp())}).encode()
        return self._exchange("POST", CALLBACKS, body, {"X-Mpesa-Signature": _sign("MPESA_GATEWAY_SECRET", body)})

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        """One exchange with the API, a boundary like those with the chain."""
        answer: Answer = self.boundaries.cross(
            f"http {method} {path}",
            lambda: _serve(method, path, body, headers),
            lambda: ConnectionResetError("connection reset by peer"),
        )
        return answer


def _attempt(send: Callable[[], Answer]) -> Answer:
    """The answer, or NO_ANSWER when the connection broke before it came."""
    try:
        return send()
    except ConnectionError:
        return NO_ANSWER


def _sign(secret: str, message: bytes) -> str:
    """Hex HMAC-SHA256 under the secret in that environment variable."""
    return hmac.new(os.environ[secret].encode(), message, hashlib.sha256).hexdigest()


def _serve(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    """The application's answer, called as a WSGI server calls it."""
    said: dict[str, Any] = {}

    def start_response(status: str, answered: list[tuple[str, str]], _exc_info: object = None) -> None:
        said.update(status=int(status[:3]), headers=dict(answered))

    with closing(application(_environ(method, path, body, headers), start_response)) as response:
        content = b"".join(response)
    return Answer(said["status"], said["headers"], json.loads(content))


def _environ(method: str, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    setup_testing_defaults(environ)
    return environ
