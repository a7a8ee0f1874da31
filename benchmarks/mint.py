"""From paid to final on the chain, and from callback to mined."""

from __future__ import annotations

import statistics
import threading
import time

import psycopg

from benchmarks import load
from benchmarks.figures import Figure, figure, percentile
from benchmarks.site import Site, callback_request, insert_purchases
from tests.kit.rail import Rail, compliant_users, rpc

COUNT = 2_000
USERS = 50
SAMPLES = 3
PAYMENTS_PER_S = 5
LATENCY_PAYMENTS = 150
BLOCK_S = 1.0


def measure(site: Site) -> tuple[list[Figure], list[str]]:
    """mints_per_s beside the block gas limit divided by the gas of a mint; p95 of callback to mined in blocks."""
    rates, gas = [], []
    for number in range(SAMPLES):
        with site.rail() as rail:
            rates.append(_burst(rail, f"burst{number}", compliant_users(rail.chain, USERS)))
            gas.append(_gas_per_mint(rail))
    with site.rail() as rail:
        waits = _trickle(rail, compliant_users(rail.chain, USERS))
        block_gas = int(rpc(rail.chain, "eth_getBlockByNumber", "latest", False)["gasLimit"], 16)
    limit = block_gas / statistics.median(gas) / BLOCK_S
    notes = [
        f"gas per mint {statistics.median(gas):.0f} of {block_gas}; callback to mined: median"
        f" {statistics.median(waits):.2f}, p95 {percentile(waits, 0.95):.2f} blocks over {len(waits)} payments"
    ]
    return [
        figure("mint.mints_per_s", rates, "1/s", limit),
        figure("mint.callback_to_mined_p95_blocks", [percentile(waits, 0.95)], "blocks", 2.0),
    ], notes


def _burst(rail: Rail, label: str, users: list[str]) -> float:
    """COUNT purchases paid by callbacks, made due at once while a worker waits, until the last is final."""
    refs = [f"{label}-{number}" for number in range(COUNT)]
    insert_purchases(rail, refs, users)
    api = rail.start_api()
    load.run("127.0.0.1", rail.port, [callback_request(ref, port=rail.port) for ref in refs], connections=32)
    api.terminate()
    rail.query("UPDATE purchases_purchase SET due_at = 'infinity' RETURNING 1")
    worker = rail.start_worker()
    rail.wait_for(lambda: bool(rail.query("SELECT 1 FROM evm_lane")), seconds=30, what="with a lane")
    started = time.perf_counter()
    with psycopg.connect(rail.database_url) as connection:
        connection.execute("UPDATE purchases_purchase SET due_at = paid_at")
        connection.execute("NOTIFY fiatrails_work")
    rail.wait_executed(COUNT, seconds=120)
    seconds = time.perf_counter() - started
    worker.terminate()
    rail.require_invariants(minted=COUNT)
    return COUNT / seconds


def _gas_per_mint(rail: Rail) -> float:
    [(gas,)] = rail.query("SELECT sum(gas_used) FROM evm_inclusion WHERE succeeded")
    return float(gas) / COUNT


def _trickle(rail: Rail, users: list[str]) -> list[float]:
    """Send a steady stream of callbacks over HTTP; measure the blocks from the callback's storing to the row saying
    mined."""
    refs = [f"trickle-{number}" for number in range(LATENCY_PAYMENTS)]
    insert_purchases(rail, refs, users)
    rail.start_api()
    rail.start_worker()
    rail.deliver(refs[0])
    rail.wait_for(lambda: rail.states().get("executed", 0) == 1, seconds=60, what="warm")
    threads = []
    for ref in refs[1:]:
        threads.append(threading.Thread(target=rail.deliver, args=(ref,)))
        threads[-1].start()
        time.sleep(1 / PAYMENTS_PER_S)
    for thread in threads:
        thread.join()
    rail.wait_executed(LATENCY_PAYMENTS, seconds=60)
    rows = rail.query(
        "SELECT extract(epoch FROM t.at - e.received_at) FROM purchases_transition t"
        " JOIN rb_core_payment p ON p.intent_id = t.intent_id JOIN rb_core_inbox_event e ON e.id = p.id"
        " WHERE t.state = 'mined' AND p.tx_ref <> %s",
        refs[0],
    )
    return [float(row[0]) / BLOCK_S for row in rows]
