"""Several JSON-RPC endpoints as one: reads fail over, sends report, conclusions ask two."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx

from fiatrails.chains.core.breaker import Breaker
from fiatrails.chains.core.rpc import MAX_BATCH, Call, Endpoint, NoAnswer, RpcError, RpcFailed
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import OutsideUnknown

# A read is asked this often in all before its answer counts as unknown; a node behind a bad line deserves a second try.
READ_TRIES = 3
QUORUM = 2
QUORUM_FROM_ENDPOINTS = 3
# geth closes the connection on bodies above 5 MB.
MAX_BROADCAST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class SendReply:
    """What one endpoint said about one raw transaction. No error and `sent`: accepted. `error` None and `unknown`:
    nobody knows. `sent` False: the bytes never left."""

    endpoint: str
    error: RpcError | None
    unknown: str = ""
    sent: bool = True


class RpcPool:
    """Endpoints in order of preference. Thread-safe; one per process (connections must not cross a fork)."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        transports: Sequence[httpx.BaseTransport] | None = None,
    ) -> None:
        self.endpoints = tuple(
            Endpoint(url, index=index, timeout_s=timeout_s, transport=transports[index] if transports else None)
            for index, url in enumerate(urls)
        )
        self._monotonic = monotonic
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def __repr__(self) -> str:
        return f"RpcPool({', '.join(endpoint.name for endpoint in self.endpoints)})"

    def close(self) -> None:
        """Closes kept connections."""
        for endpoint in self.endpoints:
            endpoint.close()

    @property
    def has_quorum(self) -> bool:
        """Whether finality and absence are asked of two endpoints."""
        return len(self.endpoints) >= QUORUM_FROM_ENDPOINTS

    def call(self, method: str, *params: Any) -> Any:
        """Result of one read; RpcFailed when every endpoint answers with an error, OutsideUnknown when none answers."""
        answer = self.batch([Call(method, params)])[0]
        if isinstance(answer, RpcError):
            raise RpcFailed(method, answer)
        return answer

    def batch(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        """Answers in order, MAX_BATCH calls to an exchange; OutsideUnknown when no endpoint answers."""
        answers: list[Any | RpcError] = []
        for start in range(0, len(calls), MAX_BATCH):
            answers += self._read(calls[start : start + MAX_BATCH])
        return answers

    def _read(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        best: list[Any | RpcError] | None = None
        for endpoint in self._tries(calls[0].method):
            try:
                answers = self._ask(endpoint, calls)
            except NoAnswer:
                continue
            if not any(isinstance(a, RpcError) and not a.is_revert for a in answers):
                return answers
            # A pruned or limited node answers with an error where another has the data. That is no fault of
            # transport, so the breaker stays as it is.
            best = best or answers
            if len(self.endpoints) == 1:
                break
        if best is None:
            raise OutsideUnknown(
                "rpc_no_answer", f"no RPC endpoint answered {calls[0].method}; check `fiatrails doctor`"
            )
        return best

    def _tries(self, method: str) -> Iterator[Endpoint]:
        """Healthy endpoints first; when all are open, all of them all the same: refusing to ask heals nothing."""
        at = self._monotonic()
        closed = [e for e in self.endpoints if not self._breaker(e, method).is_open(at)] or list(self.endpoints)
        tries = max(READ_TRIES, len(closed))
        return (closed[number % len(closed)] for number in range(tries))

    def each(self, calls: Sequence[Call]) -> list[list[Any | RpcError]]:
        """Answers of every endpoint that answers, healthy ones first; at most MAX_BATCH calls. One with an open breaker
        is asked only while fewer than two have answered: a hung node must not slow every pass by its timeout."""
        found: list[list[Any | RpcError]] = []
        at, method = self._monotonic(), calls[0].method
        for endpoint in self._ranked(method):
            if len(found) >= QUORUM and self._breaker(endpoint, method).is_open(at):
                break
            try:
                found.append(self._ask(endpoint, calls))
            except NoAnswer:
                continue
        return found

    def agreed(self, calls: Sequence[Call], key: Callable[[Any], Any] = lambda answer: answer) -> list[Any]:
        """Per call the answer that two endpoints agree on by `key`, or a NOT_AGREED. With fewer than three endpoints
        one answer is enough. Laws 5 and 7."""
        agreed: list[Any] = []
        for start in range(0, len(calls), MAX_BATCH):
            agreed += self._agreed(calls[start : start + MAX_BATCH], key)
        return agreed

    def _agreed(self, calls: Sequence[Call], key: Callable[[Any], Any]) -> list[Any]:
        if not self.has_quorum:
            return self._read(calls)
        seen: list[list[tuple[Any, Any]]] = [[] for _ in calls]
        result: list[Any] = [NOT_AGREED] * len(calls)
        for endpoint in self._ranked(calls[0].method):
            try:
                answers = self._ask(endpoint, calls)
            except NoAnswer:
                continue
            for number, answer in enumerate(answers):
                _vote(number, answer, key, seen, result)
            if all(value is not NOT_AGREED for value in result):
                break
        return result

    def broadcast(self, raws: Sequence[bytes], *, everywhere: bool = False) -> list[list[SendReply]]:
        """Sends raw transactions in order; per transaction one reply of each endpoint tried.

        The same bytes go to the next endpoint when one did not take all of them, or to all when `everywhere`: identical
        bytes can be mined only once. Nothing is ever retried here; the caller records what is known first (law 4).
        """
        replies: list[list[SendReply]] = [[] for _ in raws]
        for endpoint in self._ranked("eth_sendRawTransaction"):
            taken = True
            for start, stop in _chunks(raws):
                for number, reply in enumerate(self._send(endpoint, raws[start:stop]), start):
                    replies[number].append(reply)
                    taken = taken and reply.error is None and not reply.unknown
            if taken and not everywhere:
                break
        return replies

    def _ranked(self, method: str) -> list[Endpoint]:
        at = self._monotonic()
        return sorted(self.endpoints, key=lambda endpoint: self._breaker(endpoint, method).is_open(at))

    def _send(self, endpoint: Endpoint, raws: Sequence[bytes]) -> list[SendReply]:
        calls = [Call("eth_sendRawTransaction", ("0x" + bytes(raw).hex(),)) for raw in raws]
        try:
            answers = self._ask(endpoint, calls)
        except NoAnswer as failure:
            return [SendReply(endpoint.name, None, failure.error_type, failure.sent) for _ in raws]
        return [SendReply(endpoint.name, a if isinstance(a, RpcError) else None) for a in answers]

    def _ask(self, endpoint: Endpoint, calls: Sequence[Call]) -> list[Any | RpcError]:
        methods = {call.method for call in calls}
        try:
            answers = endpoint.exchange(calls)
        except NoAnswer:
            for method in methods:
                self._breaker(endpoint, method).failed(self._monotonic())
            raise
        for method in methods:
            self._breaker(endpoint, method).answered()
        return answers

    def _breaker(self, endpoint: Endpoint, method: str) -> Breaker:
        return self._breakers.setdefault((endpoint.name, method), Breaker())


class _NotAgreed:
    def __repr__(self) -> str:
        return "NOT_AGREED"


NOT_AGREED = _NotAgreed()


def _vote(
    number: int, answer: Any, key: Callable[[Any], Any], seen: list[list[tuple[Any, Any]]], result: list[Any]
) -> None:
    if result[number] is not NOT_AGREED:
        return
    if isinstance(answer, RpcError):
        if not answer.is_revert:
            return  # a node that lacks the data has no vote
        mark = ("reverted", answer.data)
    else:
        mark = key(answer)
    seen[number].append((mark, answer))
    if sum(1 for other, _ in seen[number] if other == mark) >= QUORUM:
        result[number] = answer


def _chunks(raws: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    start = size = 0
    for number, raw in enumerate(raws):
        if number > start and (number - start >= MAX_BATCH or size + 2 * len(raw) > MAX_BROADCAST_BYTES):
            yield start, number
            start, size = number, 0
        size += 2 * len(raw)
    if raws:
        yield start, len(raws)


def default_pool() -> RpcPool:
    """The pool of the profile's endpoints, one per process and set of URLs."""
    settings = profile()
    # Two threads asking first at once must not make two pools, of which one would be dropped with open sockets.
    with _POOL_LOCK:
        return _pool(os.getpid(), settings.rpc_urls, settings.timeouts.rpc_ms)


_POOL_LOCK = threading.Lock()


@lru_cache(maxsize=8)
def _pool(_pid: int, urls: tuple[str, ...], timeout_ms: int) -> RpcPool:
    return RpcPool(urls, timeout_s=timeout_ms / 1000)
