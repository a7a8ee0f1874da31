"""One JSON-RPC endpoint over HTTP: what was asked, what was answered, and what stayed unknown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from pydantic_core import from_json

from fiatrails.kernel import exchange, metrics

MAX_BATCH = 100
# Receipts of a full window are some 7 MB, logs of 500 blocks ten times that.
MAX_REPLY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One JSON-RPC request."""

    method: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class RpcError:
    """The endpoint answered with an error: an answer, not a failure of transport. `data` is as the endpoint sent it:
    what it means is known to the chain's own package."""

    code: int
    message: str
    data: Any = None


class RpcFailed(Exception):
    """A read was answered with an error that the caller did not expect."""

    def __init__(self, method: str, error: RpcError) -> None:
        super().__init__(f"{method}: {error.code} {error.message[:200]}")
        self.error = error


class NoAnswer(Exception):
    """The endpoint gave no usable answer. `sent` False: the connection was never made, so nothing arrived."""

    def __init__(self, endpoint: str, error_type: str, *, sent: bool = True) -> None:
        super().__init__(f"{endpoint}: {error_type}")
        self.error_type = error_type
        self.sent = sent


class Endpoint:
    """An HTTP endpoint with keep-alive; safe to use from several threads. `name` carries no credentials: keys of
    RPC providers live in user info, path or query, so only the host is shown. `fault` says why an error answer counts
    as a failure of the node, or "" when it says something about the call."""

    def __init__(
        self,
        url: str,
        *,
        index: int,
        timeout_s: float,
        transport: httpx.BaseTransport | None = None,
        fault: Callable[[str, RpcError], str] = lambda _method, _error: "json_rpc",
    ) -> None:
        self.name = f"{index}:{urlsplit(url).hostname or 'unknown'}"
        self._url = url
        self._timeout_s = timeout_s
        self._fault = fault
        self._client = exchange.client(
            timeout_s=timeout_s, transport=transport, headers={"content-type": "application/json"}
        )

    def __repr__(self) -> str:
        return f"Endpoint({self.name})"

    def close(self) -> None:
        """Close kept connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of one call, asked once; RpcFailed for an error answer, NoAnswer without any."""
        answer = self.exchange([Call(method, params)])[0]
        if isinstance(answer, RpcError):
            raise RpcFailed(method, answer)
        return answer

    def exchange(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        """Return the answers in the order of the calls (at most MAX_BATCH); NoAnswer when any of them is missing."""
        started = time.perf_counter()
        try:
            answers = self._exchange(calls)
        except NoAnswer as failure:
            for call in calls:
                metrics.count_rpc_failure(call.method, failure.error_type)
            raise
        finally:
            metrics.rpc_duration.labels(calls[0].method).observe(time.perf_counter() - started)
            for call in calls:
                metrics.rpc_requests.labels(call.method).inc()
        for call, answer in zip(calls, answers, strict=True):
            if isinstance(answer, RpcError) and (cause := self._fault(call.method, answer)):
                metrics.count_rpc_failure(call.method, cause)
        return answers

    def _exchange(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        requests = [
            {"jsonrpc": "2.0", "id": number, "method": call.method, "params": list(call.params)}
            for number, call in enumerate(calls)
        ]
        body = json.dumps(requests[0] if len(requests) == 1 else requests, separators=(",", ":"))
        found = _by_id(self._post(body), self.name)
        if set(found) != set(range(len(calls))):
            raise NoAnswer(self.name, "malformed")
        return [found[number] for number in range(len(calls))]

    def _post(self, body: str) -> Any:
        try:
            reply = exchange.exchange(
                self._client, "POST", self._url, seconds=self._timeout_s, max_bytes=MAX_REPLY_BYTES, content=body
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise NoAnswer(self.name, "transport", sent=False) from None
        except httpx.TimeoutException:
            raise NoAnswer(self.name, "timeout") from None
        except exchange.UnreadableReply:
            raise NoAnswer(self.name, "unreadable") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise NoAnswer(self.name, "transport") from None
        success = httpx.codes.is_success(reply.status)
        try:
            # Bounded in depth, unlike json: libraries of this process raise Python's recursion limit so far that deeply
            # nested lists overflow the stack.
            answer = from_json(reply.content)
        except ValueError:
            answer = None
        # Some nodes put a JSON-RPC error into a 4xx or 5xx; anything else there comes from a gateway.
        if isinstance(answer, (dict, list)) and (success or _is_error_answer(answer)):
            return answer
        raise NoAnswer(self.name, "malformed" if success else "http_status")


def _is_error_answer(answer: Any) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get("error"), dict) and "id" in answer


def _by_id(answer: Any, endpoint: str) -> dict[int, Any | RpcError]:
    found: dict[int, Any | RpcError] = {}
    for item in answer if isinstance(answer, list) else [answer]:
        if not isinstance(item, dict) or ("result" not in item and "error" not in item):
            raise NoAnswer(endpoint, "malformed")
        error, number = item.get("error"), item.get("id", -1)
        if not isinstance(number, int):
            raise NoAnswer(endpoint, "malformed")
        found[number] = item.get("result") if error is None else _error(error)
    return found


def _error(raw: Any) -> RpcError:
    if not isinstance(raw, dict):
        return RpcError(0, str(raw)[:500])
    code = raw.get("code")
    return RpcError(code if isinstance(code, int) else 0, str(raw.get("message", ""))[:500], raw.get("data"))
