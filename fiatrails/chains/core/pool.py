"""Several JSON-RPC endpoints as one: reads fail over, conclusions ask two."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx

from fiatrails.chains.core.breaker import Breaker
from fiatrails.chains.core.rpc import MAX_BATCH, Call, Endpoint, NoAnswer, RpcError, RpcFailed
from fiatrails.kernel import metrics
from fiatrails.kernel.errors import OutsideUnknown

# A read is asked this often in all before its answer counts as unknown; a node behind a bad line deserves a second try.
READ_TRIES = 3
QUORUM = 2
QUORUM_FROM_ENDPOINTS = 3


class RpcPool:
    """Endpoints in order of preference. Thread-safe; one per process (connections must not cross a fork).

    A chain whose nodes answer some questions with an error overrides `conclusion_of`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        transports: Sequence[httpx.BaseTransport] | None = None,
    ) -> None:
        self.endpoints = tuple(
            Endpoint(
                url,
                index=index,
                timeout_s=timeout_s,
                transport=transports[index] if transports else None,
                fault=self.fault_of,
            )
            for index, url in enumerate(urls)
        )
        self._monotonic = monotonic
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def __repr__(self) -> str:
        return f"RpcPool({', '.join(endpoint.name for endpoint in self.endpoints)})"

    def close(self) -> None:
        """Close kept connections."""
        for endpoint in self.endpoints:
            endpoint.close()

    def conclusion_of(self, error: RpcError) -> object | None:  # noqa: ARG002 - for chains that have such errors
        """Return what every honest node says with this error about the call, so that another need not be asked; None
        when the error is about the node, and another may know better."""
        return None

    def fault_of(self, method: str, error: RpcError) -> str:  # noqa: ARG002 - for chains whose errors have a meaning
        """Return the cause under which an error answer counts as a failure of the node; "" when it says something
        about the call."""
        return "json_rpc"

    def fits(self, call: Call, result: Any) -> bool:  # noqa: ARG002 - for chains whose answers have a known shape
        """Return whether the result may be an answer to the call; if not, the endpoint gave no answer."""
        return True

    def require_chain(self, endpoint: Endpoint) -> None:
        """Raise NoAnswer when the endpoint is known to serve another chain than this pool is for."""

    @property
    def has_quorum(self) -> bool:
        """Return whether finality and absence are asked of two endpoints."""
        return len(self.endpoints) >= QUORUM_FROM_ENDPOINTS

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of one read; RpcFailed when every endpoint answers with an error, OutsideUnknown when none
        answers."""
        answer = self.batch([Call(method, params)])[0]
        if isinstance(answer, RpcError):
            raise RpcFailed(method, answer)
        return answer

    def batch(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        """Return the answers in order, MAX_BATCH calls to an exchange; OutsideUnknown when no endpoint answers."""
        answers: list[Any | RpcError] = []
        for start in range(0, len(calls), MAX_BATCH):
            answers += self._read(calls[start : start + MAX_BATCH])
        return answers

    def _read(self, calls: Sequence[Call]) -> list[Any | RpcError]:
        best: list[Any | RpcError] | None = None
        causes: dict[str, str] = {}
        for endpoint in self._tries(calls[0].method):
            try:
                answers = self._ask(endpoint, calls)
            except NoAnswer as failure:
                causes[endpoint.name] = failure.error_type
                continue
            if not any(isinstance(a, RpcError) and self.conclusion_of(a) is None for a in answers):
                return answers
            # A pruned or limited node answers with an error where another has the data. That is no fault of
            # transport, so the breaker stays as it is.
            best = best or answers
            if len(self.endpoints) == 1:
                break
        if best is None:
            said = ", ".join(f"{name} {cause}" for name, cause in causes.items())
            raise OutsideUnknown(
                "rpc_no_answer", f"no RPC endpoint answered {calls[0].method} ({said}); check `fiatrails doctor`"
            )
        return best

    def _tries(self, method: str) -> Iterator[Endpoint]:
        """Healthy endpoints first; when all are open, all of them all the same: refusing to ask heals nothing."""
        at = self._monotonic()
        closed = [e for e in self.endpoints if not self._breaker(e, method).is_open(at)] or list(self.endpoints)
        tries = max(READ_TRIES, len(closed))
        return (closed[number % len(closed)] for number in range(tries))

    def batch_each(self, calls: Sequence[Call]) -> list[list[Any | RpcError]]:
        """Return the answers of every endpoint that answers, healthy ones first; at most MAX_BATCH calls. One with an
        open breaker is asked only while fewer than two have answered: a hung node must not slow every pass by its
        timeout."""
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

    def batch_quorum(self, calls: Sequence[Call], key: Callable[[Any], Any] = lambda answer: answer) -> list[Any]:
        """Return per call the answer that two endpoints agree on by `key`, or a NOT_AGREED. With fewer than three
        endpoints one answer is enough. Laws 5 and 7."""
        agreed: list[Any] = []
        for start in range(0, len(calls), MAX_BATCH):
            agreed += self._batch_quorum(calls[start : start + MAX_BATCH], key)
        return agreed

    def _batch_quorum(self, calls: Sequence[Call], key: Callable[[Any], Any]) -> list[Any]:
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
                if result[number] is NOT_AGREED:
                    result[number] = self._vote(answer, key, seen[number])
            if all(value is not NOT_AGREED for value in result):
                break
        return result

    def _vote(self, answer: Any, key: Callable[[Any], Any], seen: list[tuple[Any, Any]]) -> Any:
        """Return the answer when it makes a quorum with those seen before it, or NOT_AGREED."""
        if isinstance(answer, RpcError):
            conclusion = self.conclusion_of(answer)
            if conclusion is None:
                return NOT_AGREED  # a node that lacks the data has no vote
            vote: Any = ("error", conclusion)
        else:
            vote = key(answer)
        seen.append((vote, answer))
        return answer if sum(1 for other, _ in seen if other == vote) >= QUORUM else NOT_AGREED

    def _ranked(self, method: str) -> list[Endpoint]:
        at = self._monotonic()
        return sorted(self.endpoints, key=lambda endpoint: self._breaker(endpoint, method).is_open(at))

    def _ask(self, endpoint: Endpoint, calls: Sequence[Call]) -> list[Any | RpcError]:
        methods = {call.method for call in calls}
        try:
            self.require_chain(endpoint)
            answers = endpoint.exchange(calls)
            self._require_shapes(endpoint, calls, answers)
        except NoAnswer:
            for method in methods:
                self._breaker(endpoint, method).record_failure(self._monotonic())
            raise
        for method in methods:
            self._breaker(endpoint, method).record_answer()
        return answers

    def _require_shapes(self, endpoint: Endpoint, calls: Sequence[Call], answers: Sequence[Any | RpcError]) -> None:
        for call, answer in zip(calls, answers, strict=True):
            if not isinstance(answer, RpcError) and not self.fits(call, answer):
                metrics.count_rpc_failure(call.method, "malformed")
                raise NoAnswer(endpoint.name, f"malformed answer to {call.method}")

    def _breaker(self, endpoint: Endpoint, method: str) -> Breaker:
        return self._breakers.setdefault((endpoint.name, method), Breaker())


class _NotAgreed:
    def __repr__(self) -> str:
        return "NOT_AGREED"


NOT_AGREED = _NotAgreed()
