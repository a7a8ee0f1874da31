"""One payment from intent to final mint, through the public HTTP interface only."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from fiatrails.chains.core.rpc import Endpoint
from fiatrails.kernel.signatures import sign
from fiatrails.local.keystores import PAYER, dev_address
from fiatrails.local.steps import Steps

_AMOUNT_TOKENS = 100
_PHONE = "254708374149"
_POLL_SECONDS = 0.1


class PaymentFailedError(RuntimeError):
    """The payment did not become a final mint."""


class DemoPayment:
    """The client, the payer and the watcher of one payment."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        api_url: str,
        sandbox_url: str,
        steps: Steps,
        on_poll: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_poll` runs between two looks and may raise: to stop waiting for what cannot come any more."""
        self._on_poll = on_poll
        self._secret = environment["HMAC_SECRET"].encode()
        self._chain = Endpoint(environment["RPC_URL"].split(",")[0], index=0, timeout_s=15.0)
        self._sandbox_url = sandbox_url
        self._steps = steps
        self._api = httpx.Client(base_url=api_url, timeout=15.0, trust_env=False)
        self._plain = httpx.Client(timeout=15.0, trust_env=False)

    def run(self, *, timeout_seconds: float) -> None:
        """Drive the payment and print what happens; raises PaymentFailedError unless the mint is final."""
        with self._api, self._plain, self._chain:
            tx_ref = f"DEMO{secrets.token_hex(8).upper()}"
            intent_id = self._create_intent(tx_ref)
            self._pay(tx_ref)
            self._watch(intent_id, time.monotonic() + timeout_seconds)

    def _create_intent(self, tx_ref: str) -> str:
        body = {
            "user": dev_address(PAYER),
            "amount": str(_AMOUNT_TOKENS * 10**18),
            "countryCode": "KES",
            "txRef": tx_ref,
        }
        raw = json.dumps(body).encode()
        headers = {**self._signature(raw), "X-Idempotency-Key": secrets.token_hex(16)}
        answer = self._api.post("/api/v1/mint-intents", content=raw, headers=headers)
        if answer.status_code != httpx.codes.CREATED:
            raise PaymentFailedError(f"the intent was refused: {answer.status_code} {answer.text}")
        intent_id = str(answer.json()["intentId"])
        self._steps.say("intent created", f"{intent_id}  ({_AMOUNT_TOKENS} KES for {tx_ref})")
        return intent_id

    def _pay(self, tx_ref: str) -> None:
        order = {"txRef": tx_ref, "amount": str(_AMOUNT_TOKENS), "phone": _PHONE}
        answer = self._plain.post(f"{self._sandbox_url}/_sandbox/gateway-pay", json=order)
        if answer.status_code != httpx.codes.OK or not answer.json().get("acknowledged"):
            raise PaymentFailedError(f"the payment was not taken: {answer.status_code} {answer.text}")
        self._steps.say("paid", f"M-PESA receipt {answer.json()['receipt']}, callback stored and acknowledged")

    def _watch(self, intent_id: str, deadline: float) -> None:
        seen = self._until(deadline, lambda: self._intent(intent_id), lambda i: bool(i["txHash"]) or _is_over(i))
        self._fail_unless_alive(seen)
        self._steps.say("cleared, submitted", f"transaction {seen['txHash']}")
        receipt = self._until(deadline, lambda: self._receipt(intent_id), bool)
        self._steps.say("mined", f"at block {int(receipt['blockNumber'], 16)}")
        seen = self._until(deadline, lambda: self._intent(intent_id), _is_over)
        self._fail_unless_alive(seen)
        self._steps.say("final", f"{_AMOUNT_TOKENS} KES tokens belong to {seen['user']}")

    def _fail_unless_alive(self, intent: Mapping[str, Any]) -> None:
        if intent["status"] in ("refunded", "failed"):
            raise PaymentFailedError(f"the intent ended {intent['status']}")

    def _intent(self, intent_id: str) -> dict[str, Any]:
        answer = self._api.get(f"/api/v1/mint-intents/{intent_id}", headers=self._signature(b""))
        answer.raise_for_status()
        intent: dict[str, Any] = answer.json()
        return intent

    def _receipt(self, intent_id: str) -> dict[str, Any]:
        """Return the receipt of the transaction named now: a fee bump changes its hash."""
        tx_hash = self._intent(intent_id)["txHash"]
        return self._chain.call("eth_getTransactionReceipt", tx_hash) or {}

    def _signature(self, raw: bytes) -> dict[str, str]:
        timestamp = str(int(time.time()))
        return {
            "Content-Type": "application/json",
            "X-Request-Timestamp": timestamp,
            "X-Request-Signature": sign(self._secret, timestamp.encode() + raw),
        }

    def _until(
        self, deadline: float, ask: Callable[[], dict[str, Any]], is_enough: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        last: dict[str, Any] = {}
        while time.monotonic() < deadline:
            last = ask()
            if is_enough(last):
                return last
            self._on_poll()
            time.sleep(_POLL_SECONDS)
        raise PaymentFailedError(f"nothing happened in time; the last answer was {json.dumps(last)}")


def _is_over(intent: Mapping[str, Any]) -> bool:
    return intent["status"] in ("executed", "refunded", "failed")
