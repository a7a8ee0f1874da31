"""The storms that a stranger tries first, against real processes, a durable PostgreSQL and a chain of real blocks."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from eth_account import Account

from fiatrails.local.keystores import DEPLOYER, dev_address
from tests.chaos.conftest import RailFactory
from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.rail import BIN, ROOT, Rail, compliant_users, reorganise_once, rpc
from tests.kit.services import DeployedChain

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]


@contextmanager
def faulty_node(chain: DeployedChain, seed: str) -> Iterator[str]:
    """A proxy in front of the node that breaks on request; yields its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ["--upstream", chain.anvil.url, "--port", str(port), "--seed", seed]
    with python_module("tests.kit.rpc_proxy", arguments, ready_url=f"{url}/_stats"):
        yield url


def break_node(url: str, **faults: object) -> None:
    httpx.post(f"{url}/_faults", json=faults, timeout=5, trust_env=False).raise_for_status()


def node_stats(url: str) -> dict[str, object]:
    stats: dict[str, object] = httpx.get(f"{url}/_stats", timeout=5, trust_env=False).json()
    return stats


def refs(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number:04d}" for number in range(count)]


def test_fifty_identical_callbacks_at_once_mint_once(rail_factory: RailFactory, own_chain: DeployedChain) -> None:
    rail = rail_factory()
    rail.start_api()
    rail.start_worker()
    [user] = compliant_users(own_chain, 1)
    assert rail.create_intent("STORM1", user=user).status_code == 201
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: rail.callback("STORM1"), range(50)))
    assert [answer.status_code for answer in answers] == [200] * 50
    assert Counter(answer.json()["status"] for answer in answers) == {"processed": 1, "already_processed": 49}
    rail.wait_executed(1, seconds=30)
    rail.require_invariants(minted=1)


@pytest.mark.parametrize(
    "faults", [{"drop_reply_rate": 0.3}, {"drop_request_rate": 0.2, "drop_reply_rate": 0.3}], ids=str
)
def test_lost_rpc_replies_never_mint_twice(
    rail_factory: RailFactory, own_chain: DeployedChain, faults: dict[str, float]
) -> None:
    users = compliant_users(own_chain, 20)
    with faulty_node(own_chain, seed="storm-2") as node:
        rail = rail_factory(rpc_url=node)
        rail.start_api()
        for _ in range(2):
            rail.start_worker()
        break_node(node, **faults)
        rail.order_and_pay(refs(f"STORM2-{next(iter(faults))}", 300), users)
        rail.wait_executed(300, seconds=180)
        assert node_stats(node)["faults"]
        break_node(node, reset=True)
        rail.require_invariants(minted=300)


def test_reorganisations_under_load_neither_double_nor_lose(
    rail_factory: RailFactory, own_chain: DeployedChain
) -> None:
    """anvil's reorganisation drops transactions without returning them to the pool; depth stays below finality."""
    rail = rail_factory()
    rail.start_api()
    rail.start_worker()
    users = compliant_users(own_chain, 10)
    done = threading.Event()
    changed = waves = 0

    def shake() -> None:
        nonlocal changed
        while not done.wait(2.5):
            changed += reorganise_once(own_chain)

    shaker = threading.Thread(target=shake)
    shaker.start()
    try:
        # Until the chain was really reorganised three times: a reorganisation of an empty mempool changes nothing.
        while (waves < 6 or changed < 3) and waves < 30:
            rail.order_and_pay(refs(f"STORM3-{waves}", 20), users)
            waves += 1
            time.sleep(2)
    finally:
        done.set()
        shaker.join()
    assert changed >= 3, "the chain was not really reorganised"
    rail.wait_executed(20 * waves, seconds=90)
    rail.require_invariants(minted=20 * waves)


def test_a_secret_rotated_in_flight_loses_no_request(rail_factory: RailFactory, own_chain: DeployedChain) -> None:
    """Old and new are valid together while clients and gateway change over; the API restarts twice meanwhile."""
    new_client, new_gateway = "rotated-client-secret-0123456789abcdef01", "rotated-gateway-secret-0123456789abcdef0"
    rail = rail_factory()
    api = rail.start_api()
    rail.start_worker()
    users = compliant_users(own_chain, 5)
    rail.order_and_pay(refs("STORM4-old", 10), users)
    through = refs("STORM4-through", 120)
    for ref in through:
        assert rail.create_intent(ref, user=users[0]).status_code == 201

    rail.extra_env = {"HMAC_SECRET_NEW": new_client, "MPESA_GATEWAY_SECRET_NEW": new_gateway}
    with in_flight(rail, through[:60], rail.gateway_secret) as met:
        api.terminate()
        api = rail.start_api()
    assert met, "no callback met the restart"
    for number, ref in enumerate(refs("STORM4-both", 20)):
        fresh = number % 2 == 0
        answer = rail.create_intent(ref, user=users[0], secret=new_client if fresh else None)
        assert answer.status_code == 201, answer.text
        rail.deliver(ref, secret=(lambda: new_gateway) if fresh else None)

    rail.extra_env = {}
    old_client, old_gateway = rail.client_secret, rail.gateway_secret
    rail.client_secret, rail.gateway_secret = new_client, new_gateway
    with in_flight(rail, through[60:], new_gateway) as met:
        api.terminate()
        rail.start_api()
    assert met, "no callback met the restart"
    assert rail.create_intent("STORM4-late", user=users[0], secret=old_client).status_code == 401
    assert rail.callback("STORM4-old-0000", secret=old_gateway).status_code == 401
    rail.order_and_pay(refs("STORM4-new", 10), users)
    rail.wait_executed(160, seconds=60)
    rail.require_invariants(minted=160)


@contextmanager
def in_flight(rail: Rail, tx_refs: Sequence[str], secret: str) -> Iterator[list[str]]:
    """Callbacks are on their way, some twenty a second, before, while and after the block runs; all are acknowledged in
    the end. Yields the references whose first callback was refused or cut off."""
    met: list[str] = []
    begun = threading.Event()

    def deliver() -> None:
        for ref in tx_refs:
            try:
                if rail.callback(ref, secret=secret).status_code != 200:
                    met.append(ref)
            except httpx.HTTPError:
                met.append(ref)
            begun.set()
            time.sleep(0.05)

    with ThreadPoolExecutor(1) as threads:
        delivering = threads.submit(deliver)
        assert begun.wait(20)
        yield met
        delivering.result(60)
    for ref in met:
        rail.deliver(ref, secret=lambda: secret)


def test_a_worker_killed_again_and_again_mints_each_payment_once(
    rail_factory: RailFactory, own_chain: DeployedChain
) -> None:
    rail = rail_factory()
    rail.start_api()
    users = compliant_users(own_chain, 10)
    paying = threading.Thread(target=rail.order_and_pay, args=(refs("KILL", 100), users))
    paying.start()
    for _ in range(8):
        worker = rail.start_worker()
        time.sleep(2.2)
        worker.kill()
    paying.join()
    rail.start_worker()
    rail.wait_executed(100, seconds=90)
    rail.require_invariants(minted=100)


def test_the_database_stopped_hard_under_load_loses_nothing(
    rail_factory: RailFactory, own_chain: DeployedChain
) -> None:
    rail = rail_factory()
    rail.start_api()
    rail.start_worker()
    users = compliant_users(own_chain, 10)
    ordered = refs("PGDOWN", 60)
    for number, ref in enumerate(ordered):
        assert rail.create_intent(ref, user=users[number % 10]).status_code == 201
    with ThreadPoolExecutor(4) as threads:
        deliveries = [threads.submit(rail.deliver, ref) for ref in ordered]
        for _ in range(3):
            time.sleep(1.0)
            rail.postgres.stop("immediate")
            time.sleep(0.5)
            rail.postgres.start()
        for delivery in deliveries:
            delivery.result()
    rail.wait_executed(60, seconds=90)
    rail.require_invariants(minted=60)


def test_a_worker_stopped_past_its_lease_writes_nothing_when_it_wakes(
    rail_factory: RailFactory, own_chain: DeployedChain
) -> None:
    """A zombie: stopped while it works, its lease lapses, another finishes, then it goes on."""
    import signal

    import psutil

    rail = rail_factory()
    rail.start_api()
    first = rail.start_worker()
    users = compliant_users(own_chain, 5)
    rail.order_and_pay(refs("ZOMBIE", 20), users)
    psutil.Process(first.pid).send_signal(signal.SIGSTOP)
    rail.start_worker()
    rail.order_and_pay(refs("ZOMBIE-more", 20), users)
    rail.wait_executed(40, seconds=60)
    psutil.Process(first.pid).send_signal(signal.SIGCONT)
    rail.order_and_pay(refs("ZOMBIE-last", 10), users)
    rail.wait_executed(50, seconds=60)
    rail.require_invariants(minted=50)


def test_a_bad_upgrade_rolled_back_as_the_runbook_says_mints_everything_once(
    rail_factory: RailFactory, own_chain: DeployedChain
) -> None:
    """The compliance manager is upgraded live to an implementation with a new `require`; payments go on arriving."""
    rail = rail_factory()
    rail.start_api()
    rail.start_worker()
    users = compliant_users(own_chain, 5)
    rail.order_and_pay(refs("UPGRADE-before", 10), users)
    rail.wait_executed(10, seconds=60)

    proxy = own_chain.deployment.manager
    previous = cast(own_chain, "call", proxy, "implementation()(address)")
    upgrade(own_chain, proxy, deploy_artifact(own_chain, "ComplianceManagerV2.sol", "DemandingComplianceManager"))
    rail.order_and_pay(refs("UPGRADE-during", 20), users)
    time.sleep(5)
    assert rail.states()["executed"] == 10, "nothing may be minted while the contracts refuse"

    began = cast(own_chain, "block-number")
    upgrade(own_chain, proxy, previous, "--gas-limit", "500000")
    told = cast(own_chain, "logs", "--from-block", began, "--address", proxy)
    assert previous.lower()[2:] in told.lower(), "the rollback is in the proxy's log"
    assert cast(own_chain, "call", proxy, "implementation()(address)") == previous
    rail.order_and_pay(refs("UPGRADE-after", 10), users)
    rail.wait_executed(40, seconds=90)
    rail.require_invariants(minted=40)


def cast(chain: DeployedChain, *arguments: str) -> str:
    """Runs the real `cast`, as an operator would."""
    command = [str(ROOT / "contracts/tools/cast"), *arguments, "--rpc-url", chain.anvil.url]
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def upgrade(chain: DeployedChain, proxy: str, implementation: str, *options: str) -> None:
    """As the runbook writes it."""
    key = Account.decrypt(json.loads(chain.deployer_keystore.read_text()), chain.password_file.read_text()).hex()
    cast(chain, "send", proxy, "upgradeTo(address)", implementation, "--private-key", f"0x{key}", *options)


def deploy_artifact(chain: DeployedChain, source: str, contract: str) -> str:
    artifact = json.loads((ROOT / f"contracts/out/{source}/{contract}.json").read_text())
    sent = {"from": dev_address(DEPLOYER), "data": artifact["bytecode"]["object"], "gas": hex(5_000_000)}
    tx_hash = rpc(chain, "eth_sendTransaction", sent)
    deadline = time.monotonic() + 20
    while (receipt := rpc(chain, "eth_getTransactionReceipt", tx_hash)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert receipt["status"] == "0x1"
    return str(receipt["contractAddress"])
