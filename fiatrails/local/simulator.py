"""The M-PESA sandbox process, asked over HTTP: it shares no code with us. Import after `runtime.setup()`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx

from fiatrails.kernel.errors import BadInput, Conflict, OutsideUnknown
from fiatrails.providers.mpesa.config import mpesa_config

_TIMEOUT_S = 30.0


def is_available() -> bool:
    """Return whether MPESA_BASE_URL is a sandbox that answers."""
    try:
        return (
            httpx.get(f"{mpesa_config().base_url}/_sandbox/health", timeout=5.0, trust_env=False).status_code
            == httpx.codes.OK
        )
    except (httpx.HTTPError, ValueError):
        return False


def gateway_pay(order: Mapping[str, object]) -> dict[str, Any]:
    """Let a customer pay; the sandbox tells the API and reports what it was answered."""
    base_url = mpesa_config().base_url
    if not base_url:
        raise Conflict("no_sandbox", "MPESA_BASE_URL is not set; `fiatrails up` starts a sandbox and sets it")
    try:
        answer = httpx.post(f"{base_url}/_sandbox/gateway-pay", json=dict(order), timeout=_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError:
        raise OutsideUnknown(
            "sandbox_unreachable", f"no M-PESA sandbox answers at {base_url}; `fiatrails up` starts one"
        ) from None
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise Conflict("no_sandbox", f"{base_url} is not a sandbox; payments are simulated only there")
    body = _body(answer)
    if answer.status_code != httpx.codes.OK:
        raise BadInput("sandbox_refused", f"the sandbox refused: {body.get('error', body)}")
    return body


def pay_repeatedly(order: Mapping[str, object], *, duplicates: int, pause_s: float) -> list[dict[str, Any]]:
    """Let a customer pay once and the sandbox tell it `duplicates` times more; return all its answers."""
    first = gateway_pay(order)
    answers = [first]
    for _ in range(duplicates):
        time.sleep(pause_s)
        answers.append(gateway_pay({**order, "receipt": first["receipt"]}))
    return answers


def refusal(answers: list[dict[str, Any]]) -> str:
    """Return what the API said to the first notice that it did not take."""
    refused = next(answer for answer in answers if not answer.get("acknowledged"))
    replies = refused.get("answers") or [{}]
    return f"{replies[-1].get('httpStatus') or 'no answer'} {replies[-1].get('body') or ''}".strip()[:300]


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise OutsideUnknown("sandbox_answer", f"the sandbox answered {answer.status_code} without a JSON object")
    return body
