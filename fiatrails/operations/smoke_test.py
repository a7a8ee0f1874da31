"""A small real mint from end to end through the public HTTP API: what proves a deployment after every change.

It is a client like any other: it signs, posts, waits. Only the ledger is looked at from inside.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from fiatrails.kernel.clock import Clock, unix
from fiatrails.kernel.errors import FiatRailsError, OutsideUnknown
from fiatrails.kernel.money import Money
from fiatrails.kernel.signatures import sign
from fiatrails.ledger.accounts import EntryKind
from fiatrails.ledger.balances import equation
from fiatrails.ledger.models import Entry

_HTTP_TIMEOUT_S = 15.0
_POLL_S = 0.25
_ENDED = ("executed", "refunded", "failed")
# The mint is final for a client the moment it is posted; a reader may be a transaction behind.
_LEDGER_GRACE_S = 5.0


class SmokeTestFailed(FiatRailsError):
    """The deployment answered, and something is wrong with it."""


@dataclass(frozen=True, slots=True)
class SmokePurchase:
    """What is bought: `amount` base units for `user`, at `price`."""

    user: str
    amount: int
    country_code: str
    price: Money


@dataclass(frozen=True, slots=True)
class Target:
    """The API under test and the client's secret. `key_id` names the secret when the client is not the default one."""

    base_url: str
    secret: SecretStr
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class PassedStep:
    """One thing that works."""

    step: str
    detail: str
    intent_id: str = ""


# Pays (txRef, money) and returns the receipt; None where a person has to pay.
Pay = Callable[[str, Money], str]


def run(
    *, target: Target, purchase: SmokePurchase, pay: Pay | None, clock: Clock, timeout_s: float
) -> Iterator[PassedStep]:
    """Yield each step as it passes; SmokeTestFailed with the reason, OutsideUnknown when the API is away."""
    deadline = time.monotonic() + timeout_s
    with httpx.Client(base_url=target.base_url, timeout=_HTTP_TIMEOUT_S, trust_env=False) as http:
        api = _Api(http, target, clock)
        yield PassedStep("health", api.health())
        tx_ref = f"SMOKE{secrets.token_hex(8).upper()}"
        intent_id = api.create(purchase, tx_ref)
        yield PassedStep("intent", f"{intent_id} for {tx_ref}", intent_id)
        yield PassedStep("payment", _payment(pay, tx_ref, purchase.price), intent_id)
        ended = _until_ended(api, intent_id, deadline)
        yield PassedStep("executed", f"transaction {ended['txHash']}", intent_id)
        yield PassedStep("ledger", _ledger(intent_id, purchase.price.currency), intent_id)


class _Api:
    def __init__(self, http: httpx.Client, target: Target, clock: Clock) -> None:
        self._http = http
        self._target = target
        self._clock = clock

    def health(self) -> str:
        answer = self._send("GET", "/health")
        body = _object(answer)
        if answer.status_code != httpx.codes.OK:
            checks = json.dumps(body.get("checks", body))
            raise SmokeTestFailed("unhealthy", f"/health says {answer.status_code}: {checks[:300]}")
        return f"{body.get('status')}, {body.get('queue_depth')} queued"

    def create(self, purchase: SmokePurchase, tx_ref: str) -> str:
        value = str(purchase.price).split(" ", maxsplit=1)[0]
        body = {
            "user": purchase.user,
            "amount": str(purchase.amount),
            "countryCode": purchase.country_code,
            "txRef": tx_ref,
            "fiatAmount": {"currency": purchase.price.currency, "value": value},
        }
        raw = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "X-Idempotency-Key": secrets.token_hex(16)}
        answer = self._send("POST", "/api/v1/mint-intents", raw, {**self._signature(raw), **headers})
        if answer.status_code != httpx.codes.CREATED:
            raise SmokeTestFailed("intent_refused", f"the intent was refused: {_refusal(answer)}")
        return str(_object(answer)["intentId"])

    def intent(self, intent_id: str) -> dict[str, Any]:
        answer = self._send("GET", f"/api/v1/mint-intents/{intent_id}", b"", self._signature(b""))
        if answer.status_code != httpx.codes.OK:
            raise SmokeTestFailed("intent_unreadable", f"the intent cannot be read: {_refusal(answer)}")
        return _object(answer)

    def _send(self, method: str, path: str, raw: bytes = b"", headers: dict[str, str] | None = None) -> httpx.Response:
        try:
            return self._http.request(method, path, content=raw, headers=headers)
        except httpx.HTTPError as error:
            where = self._target.base_url
            why = f"{where} does not answer {path} ({type(error).__name__}); is `fiatrails api` running?"
            raise OutsideUnknown("api_unreachable", why) from None

    def _signature(self, raw: bytes) -> dict[str, str]:
        timestamp = str(unix(self._clock.now()))
        secret = self._target.secret.get_secret_value().encode()
        headers = {"X-Request-Timestamp": timestamp, "X-Request-Signature": sign(secret, timestamp.encode() + raw)}
        return {**headers, "X-Key-Id": self._target.key_id} if self._target.key_id else headers


def _payment(pay: Pay | None, tx_ref: str, price: Money) -> str:
    if pay is None:
        return f"no sandbox here: pay {price} with reference {tx_ref} now; waiting for it"
    return f"{price} paid, receipt {pay(tx_ref, price)}"


def _until_ended(api: _Api, intent_id: str, deadline: float) -> dict[str, Any]:
    intent = api.intent(intent_id)
    while intent["status"] not in _ENDED:
        if time.monotonic() >= deadline:
            raise SmokeTestFailed(
                "not_in_time",
                f"the intent is still {intent['status']}; see `fiatrails intent show {intent_id}`, "
                "`fiatrails dlq list` and whether a worker is running",
            )
        time.sleep(_POLL_S)
        intent = api.intent(intent_id)
    if intent["status"] != "executed":
        raise SmokeTestFailed(
            "not_minted", f"the intent ended {intent['status']}; see `fiatrails intent show {intent_id}`"
        )
    return intent


def _ledger(intent_id: str, currency: str) -> str:
    """Check that the payment and the mint are posted, and that the payment equation holds."""
    kinds = _posted(intent_id)
    missing = {EntryKind.PAYMENT.value, EntryKind.MINT.value} - kinds
    # A payment that came before its intent is posted under its receipt and reaches the intent as a match.
    if missing and not (missing == {EntryKind.PAYMENT.value} and EntryKind.MATCH.value in kinds):
        raise SmokeTestFailed("ledger_incomplete", f"the ledger has no {' and no '.join(sorted(missing))} entry")
    books = equation(currency)
    if not books.holds:
        raise SmokeTestFailed("equation_broken", f"paid = minted + pending + suspense + refunded fails in {currency}")
    return f"{' and '.join(sorted(kinds))} posted; the payment equation holds in {currency}"


def _posted(intent_id: str) -> set[str]:
    deadline = time.monotonic() + _LEDGER_GRACE_S
    while True:
        kinds = set(Entry.objects.filter(reference=intent_id).values_list("kind", flat=True))
        if EntryKind.MINT.value in kinds or time.monotonic() >= deadline:
            return kinds
        time.sleep(_POLL_S)


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise SmokeTestFailed("not_our_api", f"{answer.url.path} answered {answer.status_code} without a JSON object")
    return body


def _refusal(answer: httpx.Response) -> str:
    body = _object(answer)
    return f"{answer.status_code} {body.get('error', '')}: {body.get('message', '')}"
