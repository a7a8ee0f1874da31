"""Writing to the ledger: whole batches, in the caller's transaction, each entry once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from fiatrails.kernel.currencies import scale_of
from fiatrails.kernel.errors import Conflict
from fiatrails.kernel.rows import json_rows
from fiatrails.ledger.accounts import account_spec
from fiatrails.ledger.entries import EntryDraft, PostingDraft

__all__ = ["EntryDraft", "PostingDraft", "post"]

# Keys are inserted in order, so that two batches which share keys wait for each other instead of deadlocking.
_INSERT = """
WITH added AS (
    INSERT INTO ledger_entry (key, kind, reference, at, memo)
    SELECT key, kind, reference, %(now)s, memo
    FROM json_to_recordset(%(entries)s::json) AS draft (key text, kind text, reference text, memo text)
    ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING id, key
), posted AS (
    INSERT INTO ledger_posting (entry_id, account_id, currency, amount)
    SELECT added.id, line.account_id, line.currency, line.amount
    FROM ROWS FROM (json_to_recordset(%(lines)s::json)
                    AS (key text, account_id bigint, currency text, amount numeric))
         WITH ORDINALITY AS line (key, account_id, currency, amount, nr)
    JOIN added USING (key)
    ORDER BY line.nr
)
SELECT key FROM added
"""
# First use of an account, and perhaps of its currency: `kernel.currencies` is the table, this one holds it for the
# database. A concurrent first use makes this wait and then insert nothing.
_ADD_CURRENCIES = """
INSERT INTO ledger_currency (code, scale)
SELECT DISTINCT code, scale FROM json_to_recordset(%s::json) AS t (code text, scale smallint) ORDER BY code
ON CONFLICT (code) DO NOTHING
"""
_ADD_ACCOUNTS = """
INSERT INTO ledger_account (code, kind, currency)
SELECT code, kind, currency FROM json_to_recordset(%s::json) AS t (code text, kind text, currency text)
ON CONFLICT (code) DO NOTHING
"""
_ACCOUNTS = "SELECT code, id FROM ledger_account WHERE code = ANY (%s)"
_EXISTING = """
SELECT entry.key, entry.kind, entry.reference, array_agg(account.code), array_agg(posting.amount)
FROM ledger_entry entry
JOIN ledger_posting posting ON posting.entry_id = entry.id
JOIN ledger_account account ON account.id = posting.account_id
WHERE entry.key = ANY (%s)
GROUP BY entry.id
"""


def post(drafts: Sequence[EntryDraft], *, now: datetime) -> list[str]:
    """Post `drafts` in the caller's transaction and return the keys that are new, in the order given.

    A key that stands already with the same kind, reference and postings is left alone (the memo and the time
    may differ); with others it raises Conflict, and the caller must roll back. Balance and chain are settled
    by the database at COMMIT, which raises IntegrityError. Two statements, whatever the number of drafts.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("post() needs the caller's transaction: entries must commit with what they are about")
    unique = _by_key(drafts)
    if not unique:
        return []
    account_ids = _account_ids({line.account_code for draft in unique.values() for line in draft.postings})
    added = {key for (key,) in _rows(_INSERT, _insert_parameters(unique.values(), account_ids, now))}
    _require_same_content([draft for key, draft in unique.items() if key not in added])
    return [key for key in unique if key in added]


def _by_key(drafts: Sequence[EntryDraft]) -> dict[str, EntryDraft]:
    unique: dict[str, EntryDraft] = {}
    for draft in drafts:
        if _content(unique.setdefault(draft.key, draft)) != _content(draft):
            raise _conflict(draft.key)
    return unique


def _account_ids(codes: set[str]) -> dict[str, int]:
    known = dict(_rows(_ACCOUNTS, [list(codes)]))
    missing = [account_spec(code) for code in sorted(codes - known.keys())]
    if missing:
        currencies = [{"code": a.currency, "scale": scale_of(a.currency)} for a in missing]
        accounts = [{"code": a.code, "kind": a.kind, "currency": a.currency} for a in missing]
        with connection.cursor() as cursor:
            cursor.execute(_ADD_CURRENCIES, [json_rows(currencies)])
            cursor.execute(_ADD_ACCOUNTS, [json_rows(accounts)])
        # This second look also finds the rows of a concurrent first use.
        known = dict(_rows(_ACCOUNTS, [list(codes)]))
    return known


def _insert_parameters(
    drafts: Iterable[EntryDraft], account_ids: Mapping[str, int], now: datetime
) -> dict[str, str | datetime]:
    entries = []
    lines = []
    for draft in drafts:
        entries.append({"key": draft.key, "kind": draft.kind, "reference": draft.reference, "memo": draft.memo})
        for line in draft.postings:
            lines.append(
                {
                    "key": draft.key,
                    "account_id": account_ids[line.account_code],
                    "currency": account_spec(line.account_code).currency,
                    "amount": line.amount,
                }
            )
    return {"now": now, "entries": json_rows(entries), "lines": json_rows(lines)}


def _require_same_content(drafts: Sequence[EntryDraft]) -> None:
    if not drafts:
        return
    # ON CONFLICT waited for whoever inserted the key, so this later statement sees what they committed.
    standing = {
        key: (kind, reference, sorted(zip(codes, map(int, amounts), strict=True)))
        for key, kind, reference, codes, amounts in _rows(_EXISTING, [[draft.key for draft in drafts]])
    }
    for draft in drafts:
        if standing.get(draft.key) != _content(draft):
            raise _conflict(draft.key)


def _content(draft: EntryDraft) -> tuple[str, str, list[tuple[str, int]]]:
    lines = sorted((line.account_code, line.amount) for line in draft.postings)
    return draft.kind.value, draft.reference, lines


def _conflict(key: str) -> Conflict:
    return Conflict("entry_differs", f"ledger entry {key} stands already with other content", existing=key)


def _rows(statement: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
