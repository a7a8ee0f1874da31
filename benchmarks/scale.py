"""Claim, intake and status query with a million settled purchases in the tables, against the same with none; memory."""

from __future__ import annotations

import statistics
import time

import httpx
import psutil
import psycopg

from benchmarks.figures import Figure, figure
from benchmarks.intake import WORKERS, sustain
from benchmarks.site import Site, insert_purchases
from tests.kit.rail import Rail, compliant_users

SETTLED = 1_000_000
CLAIMS = 300
QUERIES = 300
SAMPLES = 3
GOAL = 1.5

# A history as the product would have left it: purchases, their events, timelines, ledger entries and chain links.
_HISTORY = (
    """WITH made AS (
         INSERT INTO purchases_purchase (intent_id, tx_ref, client, fiat_currency, fiat_expected, fiat_paid, state, hold,
          reason, created_at, expires_at, paid_at, executed_at, fence, attempts, last_error)
         SELECT '0x' || lpad(to_hex(n), 64, '0'), 'old-' || n, 'default', 'KES', 1000, 1000, 'executed', '', '', now(),
          now(), now(), now(), 4, 0, '' FROM generate_series(1, %(n)s) n
         RETURNING id, intent_id, substring(tx_ref FROM 5)::bigint AS n)
       INSERT INTO purchases_delivery (purchase_id, position, chain, recipient, asset, amount, reference, state,
        transaction, place, alone, releases, fence, attempts, last_error)
       SELECT id, 0, 'evm:31337', '0x' || lpad(to_hex(n %% 5000), 40, '0'), 'KES', 10000000000000000000, intent_id,
        'executed', '0x' || lpad(to_hex(n / 100), 64, '0'), n / 400, false, 0, 0, 0, '' FROM made""",
    """WITH event AS (
         INSERT INTO rb_core_inbox_event (provider, kind, channel, event_key, digest, raw, received_at, state)
         SELECT 'mpesa', 'payment', 'gateway', 'gateway:old-' || n, decode(md5(n::text) || md5(n::text), 'hex'),
          convert_to('{"txRef":"old-' || n || '","amount":10,"phone":"254712345678","timestamp":1}', 'UTF8'), now(),
          'processed'
         FROM generate_series(1, %(n)s) n RETURNING id, substring(event_key FROM 13)::bigint AS n)
       INSERT INTO rb_core_payment (id, provider, credits, tx_ref, amount_minor, currency, phone, payer_name, state,
        intent_id, fence, attempts, last_error)
       SELECT id, 'mpesa', false, 'old-' || n, 1000, 'KES', '254712345678', '', 'applied',
        '0x' || lpad(to_hex(n), 64, '0'), 0, 0, '' FROM event""",
    """INSERT INTO purchases_transition (intent_id, state, at, actor, detail)
       SELECT '0x' || lpad(to_hex(n), 64, '0'), s, now(), 'bench', ''
       FROM generate_series(1, %(n)s) n, unnest(ARRAY['paid', 'executed']) s""",
    """INSERT INTO evm_slot_intent (slot_id, intent_id, user_address, amount, tx_ref_hash, cleared_until, state, code,
        tx_hash, reported, report_due)
       SELECT 1, '0x' || lpad(to_hex(n), 64, '0'), '0x', 1, '0x', now(), 'executed', '', '0x', 'executed', false
       FROM generate_series(1, %(n)s) n""",
    "VACUUM ANALYZE",
    "CHECKPOINT",
)


def measure(site: Site) -> tuple[list[Figure], list[str]]:
    """Measure the ratios big/empty of claim, intake and status query (goal 1.5), and the worker's memory over the
    run."""
    with site.rail(**WORKERS) as rail:
        [user] = compliant_users(rail.chain, 1)
        api = rail.start_api()
        worker = rail.start_worker()
        rail.wait_for(lambda: bool(rail.query("SELECT 1 FROM evm_lane")), seconds=30, what="with a lane")
        rail.order_and_pay(["warm-1", "warm-2"], [user])
        rail.wait_executed(2, seconds=60)
        rss_before, api_before = _rss(worker.pid), _api_rss(api.pid)
        empty = _all(rail, "empty", user)
        started = time.perf_counter()
        _fill(rail)
        filled = time.perf_counter() - started
        big = _all(rail, "big", user)
        rss_after, api_after = _rss(worker.pid), _api_rss(api.pid)
    ratios = {name: [b / e for b, e in zip(big[name], empty[name], strict=True)] for name in empty}
    notes = [
        f"history of {SETTLED} purchases written in {filled:.0f} s; "
        + "; ".join(
            f"{name}: {statistics.median(empty[name]):.3g} ms empty, {statistics.median(big[name]):.3g} ms full"
            for name in empty
        ),
        f"resident memory: worker {rss_before:.0f} MB before, {rss_after:.0f} MB after; "
        f"largest API worker {api_before:.0f} MB before, {api_after:.0f} MB after",
    ]
    return [
        figure("scale.claim_ratio", ratios["claim"], "x", GOAL),
        figure("scale.intake_ratio", ratios["intake"], "x", GOAL),
        figure("scale.status_ratio", ratios["status"], "x", GOAL),
        figure("scale.worker_rss_mb", [rss_before, rss_after], "MB", rss_before),
    ], notes


def _all(rail: Rail, label: str, user: str) -> dict[str, list[float]]:
    return {
        "claim": [_claims(rail, f"{label}-claim-{n}", user) for n in range(SAMPLES)],
        "intake": [1000 / sustain(rail, f"{label}-intake-{n}", 3_000).per_second for n in range(SAMPLES)],
        "status": [_status(rail, f"{label}-status-{n}", user) for n in range(SAMPLES)],
    }


def _claims(rail: Rail, label: str, user: str) -> float:
    """Median milliseconds of the engine's claim when one purchase is due."""
    insert_purchases(rail, [label], [user])
    statement = (
        "UPDATE purchases_purchase SET fence = fence + 1, lease_until = NULL WHERE id = ANY(ARRAY("
        " SELECT id FROM purchases_purchase WHERE due_at <= now() AND (lease_until IS NULL OR lease_until <= now())"
        " AND state = 'awaiting_payment' ORDER BY due_at LIMIT 100 FOR UPDATE SKIP LOCKED)) RETURNING *"
    )
    times = []
    with psycopg.connect(rail.database_url) as connection:
        connection.execute("UPDATE purchases_purchase SET due_at = now() WHERE tx_ref = %s", [label])
        for _ in range(CLAIMS):
            started = time.perf_counter()
            connection.execute(statement).fetchall()
            times.append((time.perf_counter() - started) * 1000)
        connection.rollback()
    return statistics.median(times)


def _status(rail: Rail, label: str, user: str) -> float:
    """Median milliseconds of GET /api/v1/mint-intents/{id} over HTTP."""
    made = rail.create_intent(label, user=user).json()["intentId"]
    times = []
    with httpx.Client(trust_env=False) as client:
        for _ in range(QUERIES):
            started = time.perf_counter()
            answer = client.get(f"{rail.url}/api/v1/mint-intents/{made}", headers=rail.signed(b""))
            times.append((time.perf_counter() - started) * 1000)
            assert answer.status_code == httpx.codes.OK, answer.text
    return statistics.median(times)


def _fill(rail: Rail) -> None:
    with psycopg.connect(rail.database_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in _HISTORY:
            connection.execute(statement, {"n": SETTLED} if "%(n)s" in statement else None)


def _api_rss(pid: int | None) -> float:
    """Return the memory of the largest of gunicorn's workers."""
    return max(_rss(child.pid) for child in psutil.Process(pid).children())


def _rss(pid: int | None) -> float:
    return psutil.Process(pid).memory_info().rss / 2**20
