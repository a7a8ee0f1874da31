"""The stored window of linked headers, shared by all lanes of a chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from django.db import connection
from django.db.backends.utils import CursorWrapper

from fiatrails.chains.core.rpc import Call
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.chains.evm.submitter.headers import Header, HeaderChain, parse_header
from fiatrails.kernel.rows import json_rows

_FLOOR = """
SELECT min(s.block_number) FROM evm_nonce_slot s JOIN evm_lane l ON l.id = s.lane_id
WHERE l.chain_id = %s AND s.state = 'included'
"""
_LOAD = """
SELECT number, hash, parent_hash FROM evm_block
WHERE chain_id = %s AND canonical AND number >= %s ORDER BY number DESC
"""
# Two lanes may see the chain through different nodes; one writes at a time, and the next look repairs what differs.
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('fiatrails.evm_block'), %s)"
_ORPHAN = (
    "UPDATE evm_block SET canonical = false WHERE chain_id = %s AND canonical AND number >= %s AND hash <> ALL(%s)"
)
_INSERT = """
INSERT INTO evm_block (chain_id, number, hash, parent_hash)
SELECT %s, number, hash, parent_hash FROM json_to_recordset(%s::json) AS t (number bigint, hash text, parent_hash text)
ON CONFLICT (chain_id, hash) DO UPDATE SET canonical = true
"""
_PRUNE = "DELETE FROM evm_block WHERE chain_id = %s AND number < %s"


def lowest_undecided(chain_id: int) -> int | None:
    """Return the lowest block with an inclusion that is not final, of any lane."""
    with connection.cursor() as cursor:
        cursor.execute(_FLOOR, [chain_id])
        row = cursor.fetchone()
    return row[0] if row else None


def load(chain_id: int, floor: int) -> HeaderChain:
    """Return what was linked when last looked at, from the top down as far as it links."""
    with connection.cursor() as cursor:
        cursor.execute(_LOAD, [chain_id, floor])
        rows = cursor.fetchall()
    headers: dict[int, Header] = {}
    above: Header | None = None
    for number, block_hash, parent in rows:
        if above is not None and (above.number - 1, above.parent_hash) != (number, block_hash):
            break
        above = Header(number, block_hash, parent)
        headers[number] = above
    return HeaderChain(headers)


def save(cursor: CursorWrapper, chain_id: int, known: HeaderChain, current: HeaderChain, floor: int) -> None:
    """Write the difference. `current` is linked, so only what differs from `known` is new."""
    changed = [header for number, header in current.headers.items() if known.headers.get(number) != header]
    if not changed:
        return
    cursor.execute(_LOCK, [chain_id % 2**31])
    lowest = min(header.number for header in changed)
    kept = [header.hash for number, header in current.headers.items() if number >= lowest]
    cursor.execute(_ORPHAN, [chain_id, lowest, kept])
    cursor.execute(_INSERT, [chain_id, json_rows(asdict(header) for header in changed)])
    cursor.execute(_PRUNE, [chain_id, floor])


def fetch_headers(pool: EvmPool, numbers: Sequence[int]) -> list[Header | None]:
    """Return headers by number from one endpoint after the other."""
    calls = [Call("eth_getBlockByNumber", (hex(number), False)) for number in numbers]
    return [parse_header(answer) for answer in pool.batch(calls)]
