"""The RPC proxy as a real process, in front of a real anvil."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.services import AnvilFactory

# The first two accounts that every anvil has.
PAYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
UNKNOWN_HASH = f"0x{'ab' * 32}"


@dataclass
class Rpc:
    """A client of one proxy, and a second one that goes past it."""

    http: httpx.Client
    node: httpx.Client

    def raw(self, method: str, *params: Any) -> httpx.Response:
        return self.http.post("/", json=call(method, *params))

    def ask(self, method: str, *params: Any) -> Any:
        return self.raw(method, *params).json()["result"]

    def ask_node(self, method: str, *params: Any) -> Any:
        return self.node.post("/", json=call(method, *params)).json()["result"]

    def faults(self, **faults: Any) -> httpx.Response:
        return self.http.post("/_faults", json=faults)

    def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.http.get("/_stats").json()
        return stats

    def pay(self) -> str:
        """Send money past the proxy, mine it, and return the hash."""
        transaction_hash: str = self.ask_node("eth_sendTransaction", {"from": PAYER, "to": PAYEE, "value": "0x1"})
        self.ask_node("evm_mine")
        return transaction_hash


def call(method: str, *params: Any, number: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


@pytest.fixture(scope="module")
def anvil_url(anvil_factory: AnvilFactory) -> str:
    """A node that mines only when asked; a missing anvil is a failure, not a reason to look away."""
    return anvil_factory(block_time=None).url


@pytest.fixture(scope="module")
def proxied(anvil_url: str) -> Iterator[Rpc]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ["--upstream", anvil_url, "--port", str(port), "--seed", "7"]
    with (
        python_module("tests.kit.rpc_proxy", arguments, ready_url=f"{url}/_stats") as process,
        httpx.Client(base_url=url) as http,
        httpx.Client(base_url=anvil_url) as node,
    ):
        yield Rpc(http, node)
    assert process.returncode == 0


@pytest.fixture
def rpc(proxied: Rpc) -> Rpc:
    proxied.faults(reset=True)
    proxied.http.post("/_stats")
    return proxied


def test_a_healthy_proxy_answers_as_the_node_does(rpc: Rpc) -> None:
    assert rpc.ask("eth_chainId") == rpc.ask_node("eth_chainId")
    assert rpc.raw("eth_noSuchMethod").json()["error"]["code"] == -32601
    assert rpc.stats() == {
        "http_requests": 2,
        "methods": {"eth_chainId": 1, "eth_noSuchMethod": 1},
        "faults": {},
    }


def test_a_batch_is_one_request_of_many_calls(rpc: Rpc) -> None:
    batch = [call("eth_blockNumber", number=1), call("eth_chainId", number=2)]
    answers = rpc.http.post("/", json=batch).json()
    assert {answer["id"] for answer in answers} == {1, 2}
    stats = rpc.stats()
    assert (stats["http_requests"], sum(stats["methods"].values())) == (1, 2)


def test_a_dropped_request_never_reaches_the_node(rpc: Rpc) -> None:
    before = rpc.ask_node("eth_blockNumber")
    rpc.faults(drop_request_rate=1)
    with pytest.raises(httpx.TransportError):
        rpc.ask("evm_mine")
    assert rpc.ask_node("eth_blockNumber") == before
    assert rpc.stats()["faults"] == {"drop_request": 1}


def test_a_dropped_reply_hides_what_the_node_did(rpc: Rpc) -> None:
    before = int(rpc.ask_node("eth_blockNumber"), 16)
    rpc.faults(drop_reply_rate=1)
    with pytest.raises(httpx.TransportError):
        rpc.ask("evm_mine")
    assert int(rpc.ask_node("eth_blockNumber"), 16) == before + 1
    assert rpc.stats()["faults"] == {"drop_reply": 1}


def test_a_rate_hits_its_share_of_the_requests(rpc: Rpc) -> None:
    rpc.faults(rate_429=0.3)
    statuses = [rpc.raw("eth_chainId").status_code for _ in range(200)]
    assert 40 <= statuses.count(429) <= 80
    assert statuses.count(429) == rpc.stats()["faults"]["rate_429"]


def test_the_same_seed_hits_the_same_requests(anvil_url: str) -> None:
    fates = []
    for _ in range(2):
        url = f"http://127.0.0.1:{(port := free_port())}"
        arguments = ["--upstream", anvil_url, "--port", str(port), "--seed", "storm"]
        with (
            python_module("tests.kit.rpc_proxy", arguments, ready_url=f"{url}/_stats"),
            httpx.Client(base_url=url) as http,
        ):
            http.post("/_faults", json={"rate_429": 0.5})
            fates.append([http.post("/", json=call("eth_chainId")).status_code for _ in range(40)])
    assert fates[0] == fates[1]


def test_the_filter_spares_other_methods(rpc: Rpc) -> None:
    rpc.faults(rate_429=1, methods=["eth_sendRawTransaction"])
    assert rpc.raw("eth_chainId").status_code == 200
    assert rpc.raw("eth_sendRawTransaction", "0x00").status_code == 429
    mixed = [call("eth_chainId", number=1), call("eth_sendRawTransaction", "0x00", number=2)]
    assert rpc.http.post("/", json=mixed).status_code == 429


def test_a_node_can_look_healthy_and_fail_at_one_method(rpc: Rpc) -> None:
    rpc.faults(healthy_but_500=["eth_call"])
    assert rpc.raw("eth_blockNumber").status_code == 200
    assert rpc.raw("eth_call", {"to": PAYEE}, "latest").status_code == 500
    assert rpc.stats()["faults"] == {"healthy_but_500": 1}


def test_a_stale_head_hides_the_newest_blocks_everywhere(rpc: Rpc) -> None:
    old = rpc.pay()
    balance = rpc.ask_node("eth_getBalance", PAYEE, "latest")
    new = rpc.pay()
    rpc.ask_node("evm_mine")
    head = int(rpc.ask_node("eth_blockNumber"), 16)
    rpc.faults(stale_head_by=2)
    assert int(rpc.ask("eth_blockNumber"), 16) == head - 2
    assert rpc.ask("eth_getBalance", PAYEE, "latest") == balance
    assert rpc.ask("eth_getBalance", PAYEE) == balance
    assert rpc.ask("eth_getBlockByNumber", "latest", False)["number"] == hex(head - 2)
    assert rpc.ask("eth_getBlockByNumber", hex(head), False) is None
    assert rpc.ask("eth_getTransactionReceipt", new) is None
    assert rpc.ask("eth_getTransactionReceipt", old) is not None
    assert rpc.ask("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"}) == []


def test_a_stale_head_does_not_go_below_the_first_block(rpc: Rpc) -> None:
    rpc.faults(stale_head_by=1_000_000)
    assert rpc.ask("eth_blockNumber") == "0x0"


def test_a_stale_head_reaches_into_batches(rpc: Rpc) -> None:
    rpc.ask_node("evm_mine")
    head = int(rpc.ask_node("eth_blockNumber"), 16)
    rpc.faults(stale_head_by=1)
    batch = [call("eth_chainId", number=1), call("eth_blockNumber", number=2)]
    answers = {answer["id"]: answer["result"] for answer in rpc.http.post("/", json=batch).json()}
    assert answers[2] == hex(head - 1)


def test_a_receipt_is_denied_a_few_times_and_then_admitted(rpc: Rpc) -> None:
    transaction_hash = rpc.pay()
    rpc.faults(lying_receipt={"answers": 2})
    assert rpc.ask("eth_getTransactionReceipt", UNKNOWN_HASH) is None
    answers = [rpc.ask("eth_getTransactionReceipt", transaction_hash) for _ in range(3)]
    assert [answer is None for answer in answers] == [True, True, False]
    assert rpc.stats()["faults"] == {"lying_receipt": 2}


def test_a_receipt_can_be_denied_for_one_transaction_only(rpc: Rpc) -> None:
    denied, admitted = rpc.pay(), rpc.pay()
    rpc.faults(lying_receipt={"hashes": [denied.upper().replace("0X", "0x")]})
    assert rpc.ask("eth_getTransactionReceipt", denied) is None
    assert rpc.ask("eth_getTransactionReceipt", admitted) is not None


def test_a_delay_is_paid(rpc: Rpc) -> None:
    rpc.faults(delay_ms=200)
    begun = time.monotonic()
    rpc.ask("eth_chainId")
    assert time.monotonic() - begun >= 0.2


def test_a_node_that_is_down_resets_until_it_is_up(rpc: Rpc) -> None:
    rpc.faults(down=True)
    with pytest.raises(httpx.TransportError):
        rpc.ask("eth_chainId")
    rpc.faults(down=False)
    assert rpc.ask("eth_chainId")


def test_an_unreachable_node_resets(rpc: Rpc) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ["--upstream", f"http://127.0.0.1:{free_port()}", "--port", str(port)]
    with python_module("tests.kit.rpc_proxy", arguments, ready_url=f"{url}/_stats"):
        with pytest.raises(httpx.TransportError):
            httpx.post(url, json=call("eth_chainId"))
        assert httpx.get(f"{url}/_stats").json()["faults"] == {"upstream_unreachable": 1}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"drop_rate": 1}, "unknown fault 'drop_rate'"),
        ({"drop_reply_rate": 30}, "drop_reply_rate must be a number from 0 to 1"),
        ({"methods": "eth_call"}, "methods must be a list of strings"),
        ({"lying_receipt": {"next": 3}}, "lying_receipt must look like"),
    ],
)
def test_a_bad_fault_is_refused_with_the_reason(rpc: Rpc, fault: dict[str, Any], message: str) -> None:
    answer = rpc.faults(**fault)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(message)


def test_faults_add_up_until_they_are_reset(rpc: Rpc) -> None:
    rpc.faults(delay_ms=1)
    assert rpc.faults(rate_429=0.5).json()["delay_ms"] == 1
    healthy = rpc.faults(reset=True).json()
    assert (healthy["delay_ms"], healthy["rate_429"]) == (0, 0)


def test_several_hundred_requests_pass_in_a_second(rpc: Rpc) -> None:
    def many(_: int) -> int:
        with httpx.Client(base_url=rpc.http.base_url) as http:
            return sum(http.post("/", json=call("eth_chainId")).status_code == 200 for _ in range(100))

    begun = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        passed = sum(pool.map(many, range(4)))
    assert passed == 400
    assert time.monotonic() - begun < 4
