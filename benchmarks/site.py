"""What the groups share: a durable PostgreSQL, a chain, and rails on them."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from fiatrails.chains.evm.contracts.identifiers import intent_id
from fiatrails.local.anvil import Anvil
from fiatrails.local.ports import free_port
from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.databases import make_template
from tests.kit.rail import GATEWAY_SECRET, TOKEN, Rail
from tests.kit.services import deploy_to


@dataclass(slots=True)
class Site:
    """Servers for one benchmark run."""

    directory: Path
    postgres: EmbeddedPostgres
    made: int = 0

    @contextmanager
    def rail(self, **env: str) -> Iterator[Rail]:
        """Start a rail with a database and a chain of its own: blocks of a second, 30 M gas."""
        self.made += 1
        name = f"bench{self.made}"
        with Anvil(free_port(), block_time=1.0) as anvil:
            chain = deploy_to(anvil, directory=self.directory / f"chain{self.made}")
            rail = Rail(self.directory / name, self.postgres, chain, name, extra_env=env)
            try:
                yield rail
            finally:
                rail.close()


@contextmanager
def site() -> Iterator[Site]:
    """Start a PostgreSQL with fsync on."""
    directory = Path(tempfile.mkdtemp(prefix="fiatrails-bench-"))
    try:
        with EmbeddedPostgres(directory / "pg") as postgres:
            make_template(postgres)
            yield Site(directory, postgres)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def insert_purchases(rail: Rail, refs: Sequence[str], users: Sequence[str]) -> None:
    """Insert purchases that wait for their payment, as the API would have made them, in bulk."""
    escrow = rail.chain.deployment.countries["KES"].escrow
    rows = "\n".join(
        "\t".join(
            (
                intent_id(chain_id=31337, escrow=escrow, payer=escrow, tx_ref=ref),
                ref,
                users[number % len(users)],
                str(10 * TOKEN),
            )
        )
        for number, ref in enumerate(refs)
    )
    with psycopg.connect(rail.database_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE fresh (intent_id text, tx_ref text, recipient text, amount numeric)")
        with cursor.copy("COPY fresh FROM STDIN") as copy:
            copy.write(rows)
        cursor.execute(
            "WITH made AS (INSERT INTO purchases_purchase (intent_id, tx_ref, client, fiat_currency, fiat_expected, fiat_paid,"
            " price_rate, price_source, state, hold, reason, created_at, expires_at, fence, attempts, last_error)"
            " SELECT intent_id, tx_ref, 'default', 'KES', 1000, 0, 100, 'fixed', 'awaiting_payment', '', '', now(), now() + interval '1 day', 0, 0, '' FROM fresh"
            " RETURNING id, intent_id)"
            " INSERT INTO purchases_delivery (purchase_id, position, chain, recipient, asset, amount, reference, state,"
            " alone, releases, fence, attempts, last_error) SELECT made.id, 0, 'evm:31337', recipient, 'KES', amount,"
            " intent_id, 'waiting', false, 0, 0, 0, '' FROM made JOIN fresh USING (intent_id)"
        )


def callback_request(ref: str, *, port: int) -> bytes:
    """Return a whole signed HTTP request of the gateway form."""
    body = json.dumps({"txRef": ref, "amount": 10, "phone": "254712345678", "timestamp": int(time.time())}).encode()
    signature = hmac.new(GATEWAY_SECRET.encode(), body, hashlib.sha256).hexdigest()
    return (
        f"POST /api/v1/callbacks/mpesa HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"X-Mpesa-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
