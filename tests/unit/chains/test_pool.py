"""Several endpoints as one: health by method, failing over, agreeing, and keeping secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from fiatrails.chains.core.breaker import FAILURES_TO_OPEN, FIRST_PAUSE_S, Breaker
from fiatrails.chains.core.pool import NOT_AGREED
from fiatrails.chains.core.rpc import Call, RpcError, RpcFailed
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.kernel import metrics
from fiatrails.kernel.errors import OutsideUnknown

Answer = Callable[[str], Any]
TX_HASH = "0x" + "ab" * 32


class Node(httpx.BaseTransport):
    """An endpoint that answers by method; an exception in place of an answer breaks the line."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        calls = body if isinstance(body, list) else [body]
        self.asked += [call["method"] for call in calls]
        told = [self._answer(call) for call in calls]
        # Order is not promised by JSON-RPC.
        return httpx.Response(200, json=told[::-1] if isinstance(body, list) else told[0])

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        answer = self.answers.get(call["method"])
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, RpcError):
            return {"id": call["id"], "error": {"code": answer.code, "message": answer.message, "data": answer.data}}
        return {"id": call["id"], "result": answer}


def _pool(*nodes: Node, at: Callable[[], float] = lambda: 0.0) -> EvmPool:
    urls = [f"https://user:hunter2@node{number}.example/v3/APIKEY?key=s3cret" for number in range(len(nodes))]
    return EvmPool(urls, timeout_s=1, monotonic=at, transports=nodes)


BROKEN = httpx.ConnectError("no")


def test_answers_are_matched_by_id() -> None:
    pool = _pool(Node(a=1, b=2, c=3))
    assert pool.batch([Call("a"), Call("b"), Call("c")]) == [1, 2, 3]


def test_a_read_fails_over() -> None:
    pool = _pool(Node(eth_call=BROKEN), Node(eth_call="0x1"))
    assert pool.call("eth_call") == "0x1"


def test_when_nobody_answers_it_is_unknown() -> None:
    with pytest.raises(OutsideUnknown, match="eth_call"):
        _pool(Node(eth_call=BROKEN), Node(eth_call=httpx.ReadTimeout("slow"))).call("eth_call")


def test_a_node_that_lacks_the_data_is_passed_over_and_a_revert_is_an_answer() -> None:
    pruned, reverted = RpcError(-32000, "missing trie node"), RpcError(3, "execution reverted", "0xabcd")
    second = Node(eth_call=reverted)
    with pytest.raises(RpcFailed) as failed:
        _pool(Node(eth_call=pruned), second).call("eth_call")
    assert failed.value.error == reverted
    third = Node(eth_call="0x1")
    with pytest.raises(RpcFailed):
        _pool(Node(eth_call=reverted), third).call("eth_call")
    assert third.asked == []


def test_health_is_kept_by_method() -> None:
    first, second = Node(eth_call=BROKEN, eth_blockNumber="0x1"), Node(eth_call="0x2", eth_blockNumber="0x2")
    pool = _pool(first, second)
    for _ in range(FAILURES_TO_OPEN + 2):
        pool.call("eth_call")
    assert first.asked.count("eth_call") == FAILURES_TO_OPEN
    assert pool.call("eth_blockNumber") == "0x1"


def test_a_nonce_error_never_trips_the_breaker() -> None:
    node = Node(eth_sendRawTransaction=RpcError(-32003, "nonce too low"))
    pool = _pool(node, Node(eth_sendRawTransaction=TX_HASH))
    for _ in range(3 * FAILURES_TO_OPEN):
        pool.broadcast([b"x"])
    assert len(node.asked) == 3 * FAILURES_TO_OPEN


def test_an_open_breaker_lets_a_trial_through_after_its_pause() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        assert not breaker.is_open(0.0)
        breaker.record_failure(0.0)
    assert breaker.is_open(FIRST_PAUSE_S - 0.01)
    assert not breaker.is_open(FIRST_PAUSE_S)
    breaker.record_failure(FIRST_PAUSE_S)
    assert breaker.is_open(FIRST_PAUSE_S * 2.9)
    breaker.record_answer()
    assert not breaker.is_open(FIRST_PAUSE_S)


def test_the_same_bytes_go_on_to_the_next_endpoint_when_one_may_not_have_them() -> None:
    first, second = Node(eth_sendRawTransaction=httpx.ReadTimeout("lost")), Node(eth_sendRawTransaction=TX_HASH)
    ((one, two),) = _pool(first, second).broadcast([b"x"])
    assert (one.unknown, one.sent, two.error, two.unknown) == ("timeout", True, None, "")
    assert (len(first.asked), len(second.asked)) == (1, 1)


def test_bytes_that_one_endpoint_took_go_to_all_only_when_wanted() -> None:
    nodes = [Node(eth_sendRawTransaction=TX_HASH) for _ in range(3)]
    pool = _pool(*nodes)
    assert len(pool.broadcast([b"x"])[0]) == 1
    assert len(pool.broadcast([b"x"], everywhere=True)[0]) == 3


def test_a_connection_that_was_never_made_sent_nothing() -> None:
    ((reply,),) = _pool(Node(eth_sendRawTransaction=BROKEN)).broadcast([b"x"])
    assert not reply.sent


def test_two_of_three_have_to_agree() -> None:
    call = [Call("eth_getStorageAt")]
    assert _pool(*(Node(eth_getStorageAt=v) for v in ("a", "b", "b"))).batch_quorum(call) == ["b"]
    assert _pool(*(Node(eth_getStorageAt=v) for v in ("a", "b", "c"))).batch_quorum(call) == [NOT_AGREED]
    assert _pool(*(Node(eth_getStorageAt=v) for v in ("a", BROKEN, BROKEN))).batch_quorum(call) == [NOT_AGREED]
    pruned = RpcError(-32000, "header not found")
    assert _pool(*(Node(eth_getStorageAt=v) for v in (pruned, pruned, "a"))).batch_quorum(call) == [NOT_AGREED]


def test_a_node_that_hangs_is_asked_last_and_only_when_it_is_needed() -> None:
    hung = Node(eth_getStorageAt=httpx.ReadTimeout("hangs"))
    pool = _pool(hung, Node(eth_getStorageAt="a"), Node(eth_getStorageAt="a"))
    for _ in range(FAILURES_TO_OPEN + 3):
        assert pool.batch_each([Call("eth_getStorageAt")]) == [["a"], ["a"]]
        assert pool.batch_quorum([Call("eth_getStorageAt")]) == ["a"]
    assert len(hung.asked) == FAILURES_TO_OPEN


def test_with_fewer_than_three_one_answer_is_enough() -> None:
    nodes = Node(eth_getStorageAt="a"), Node(eth_getStorageAt="b")
    assert _pool(*nodes).batch_quorum([Call("eth_getStorageAt")]) == ["a"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"id": 9, "result": 1}', b"null"])
def test_what_is_no_answer_is_unknown(body: bytes) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    pool = EvmPool(["http://node"], timeout_s=1, transports=[transport])
    with pytest.raises(OutsideUnknown):
        pool.call("eth_call")


def test_a_gateways_error_page_is_unknown_and_a_json_rpc_error_in_it_is_an_answer() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, json={"id": 0, "error": {"code": -32000, "message": "nonce too low"}})

    pool = EvmPool(["http://node"], timeout_s=1, transports=[httpx.MockTransport(answer)])
    assert pool.batch([Call("eth_call")]) == [RpcError(-32000, "nonce too low")]
    gateway = httpx.MockTransport(lambda request: httpx.Response(502, content=b"bad gateway"))
    with pytest.raises(OutsideUnknown):
        EvmPool(["http://node"], timeout_s=1, transports=[gateway]).call("eth_call")


def test_credentials_of_an_endpoint_are_never_shown() -> None:
    pool = _pool(Node(eth_call=BROKEN, eth_sendRawTransaction=BROKEN))
    with pytest.raises(OutsideUnknown) as unknown:
        pool.call("eth_call")
    ((reply,),) = pool.broadcast([b"x"])
    shown = f"{pool!r} {pool.endpoints!r} {unknown.value} {unknown.value!r} {reply!r}"
    for secret in ("hunter2", "APIKEY", "s3cret"):
        assert secret not in shown


def test_a_large_broadcast_is_cut_into_bodies_that_nodes_take() -> None:
    bodies: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(len(request.content))
        calls = json.loads(request.content)
        calls = calls if isinstance(calls, list) else [calls]
        told = [{"id": call["id"], "result": TX_HASH} for call in calls]
        return httpx.Response(200, json=told if len(told) > 1 else told[0])

    pool = EvmPool(["http://node"], timeout_s=1, transports=[httpx.MockTransport(answer)])
    replies = pool.broadcast([bytes(100_000)] * 32)
    assert [len(each) for each in replies] == [1] * 32
    assert max(bodies) < 1_200_000


def test_an_endpoint_that_serves_another_chain_is_passed_over_until_it_serves_ours() -> None:
    at = [0.0]
    stranger = Node(eth_chainId="0x1", eth_blockNumber="0x999")
    ours = Node(eth_chainId="0x7a69", eth_blockNumber="0x10")
    pool = EvmPool(
        ["http://a", "http://b"], timeout_s=1, chain_id=31337, transports=[stranger, ours], monotonic=lambda: at[0]
    )
    assert pool.call("eth_blockNumber") == "0x10"
    assert "eth_blockNumber" not in stranger.asked
    stranger.answers["eth_chainId"] = "0x7a69"
    assert pool.call("eth_blockNumber") == "0x999"


def test_an_endpoint_that_changes_its_chain_is_noticed_within_seconds() -> None:
    at = [0.0]
    node = Node(eth_chainId="0x7a69", eth_blockNumber="0x10")
    pool = EvmPool(["http://a"], timeout_s=1, chain_id=31337, transports=[node], monotonic=lambda: at[0])
    assert pool.call("eth_blockNumber") == "0x10"
    node.answers["eth_chainId"] = "0x1"
    at[0] += 6
    with pytest.raises(OutsideUnknown, match="answers for chain 1, not 31337"):
        pool.call("eth_blockNumber")


def test_bytes_are_not_sent_to_a_node_of_another_chain() -> None:
    node = Node(eth_chainId="0x1", eth_sendRawTransaction=TX_HASH)
    pool = EvmPool(["http://a"], timeout_s=1, chain_id=31337, transports=[node])
    ((reply,),) = pool.broadcast([b"\x01"])
    assert (reply.sent, reply.unknown) == (False, "answers for chain 1, not 31337")
    assert "eth_sendRawTransaction" not in node.asked


def test_an_answer_of_another_shape_goes_to_the_next_endpoint_and_its_reason_is_kept() -> None:
    pool = EvmPool(
        ["http://a", "http://b"], timeout_s=1, transports=[Node(eth_blockNumber=[]), Node(eth_blockNumber="0x5")]
    )
    assert pool.call("eth_blockNumber") == "0x5"
    alone = EvmPool(["http://a"], timeout_s=1, transports=[Node(eth_blockNumber="banana")])
    with pytest.raises(OutsideUnknown, match="0:a malformed answer to eth_blockNumber"):
        alone.call("eth_blockNumber")


def _counted(method: str) -> tuple[float, float, dict[str, float]]:
    """Requests and errors so far, and the errors by cause."""
    causes = {cause: metrics.rpc_failures.labels(method, cause)._value.get() for cause in metrics.RPC_CAUSES}
    return metrics.rpc_requests.labels(method)._value.get(), metrics.rpc_errors.labels(method)._value.get(), causes


@pytest.mark.parametrize(
    ("method", "answer", "cause"),
    [
        ("eth_call", RpcError(3, "execution reverted"), ""),
        ("eth_call", RpcError(-32015, "VM execution error.", "Reverted 0x"), ""),
        ("eth_call", RpcError(-32000, "header not found"), "json_rpc"),
        ("eth_call", RpcError(-32603, "Internal error"), "json_rpc"),
        ("eth_sendRawTransaction", RpcError(-32000, "already known"), ""),
        ("eth_sendRawTransaction", RpcError(-32000, "nonce too low"), ""),
        ("eth_sendRawTransaction", RpcError(-32601, "the method does not exist"), "json_rpc"),
        ("eth_call", RpcError(-32005, "limit exceeded"), "rate_limited"),
        ("eth_getLogs", RpcError(-32000, "Too Many Requests"), "rate_limited"),
        ("eth_getBalance", RpcError(-32000, "missing trie node"), "json_rpc"),
        ("eth_blockNumber", BROKEN, "transport"),
        ("eth_blockNumber", httpx.ReadTimeout("slow"), "timeout"),
    ],
)
def test_an_answer_about_our_own_call_is_no_rpc_error(method: str, answer: Any, cause: str) -> None:
    requests, errors, causes = _counted(method)
    with suppress(RpcFailed, OutsideUnknown):
        _pool(Node(**{method: answer})).call(method)
    now, now_errors, now_causes = _counted(method)
    # What gives no answer is asked for several times; each of them is a request, and an error.
    failed = (now - requests) if cause else 0
    assert now > requests
    assert now_errors - errors == failed
    assert {name: now_causes[name] - causes[name] for name in causes} == {
        name: failed if name == cause else 0 for name in causes
    }
