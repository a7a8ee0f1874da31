"""Proving the ledger from its rows alone: the hash chain, the balances, and that its guards are in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from fiatrails.kernel.currencies import scale_of
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.hash_chain import Anchor, ChainWalk, StoredLink
from fiatrails.ledger.accounts import EntryKind, account_spec
from fiatrails.ledger.balances import AccountBalance, Equation, equation, overdrawn, trial_balance
from fiatrails.ledger.models import Account, Currency

__all__ = [
    "AccountBalance",
    "Equation",
    "Verification",
    "equation",
    "head",
    "overdrawn",
    "trial_balance",
    "verify",
]

Progress = Callable[[int, int], None]

_CHUNK = 2_000
_SHOWN = 10
# Lines are aggregated for the whole chunk at once; one look-up per link would cost twice as much.
_LINKS = """
WITH chunk AS (
    SELECT seq, entry_id, previous, digest FROM ledger_chain WHERE seq > %(after)s AND seq <= %(last)s
    ORDER BY seq LIMIT %(limit)s
), lines AS (
    SELECT posting.entry_id,
           array_agg(ARRAY[coalesce(account.code, ''), posting.currency::text, posting.amount::text]
                     ORDER BY posting.id) AS fields
    FROM ledger_posting posting LEFT JOIN ledger_account account ON account.id = posting.account_id
    WHERE posting.entry_id IN (SELECT entry_id FROM chunk)
    GROUP BY posting.entry_id
)
SELECT chunk.seq, chunk.previous, chunk.digest, entry.id::text, entry.key, entry.kind, entry.reference,
       (extract(epoch FROM entry.at) * 1000000)::bigint::text, entry.memo, lines.fields
FROM chunk
LEFT JOIN ledger_entry entry ON entry.id = chunk.entry_id
LEFT JOIN lines ON lines.entry_id = chunk.entry_id
ORDER BY chunk.seq
"""
_CHECKS = {
    "entry not in the chain": """
        SELECT entry.key FROM ledger_entry entry
        WHERE NOT EXISTS (SELECT FROM ledger_chain link WHERE link.entry_id = entry.id) LIMIT %(shown)s""",
    "posting without an entry or account": """
        SELECT posting.id::text FROM ledger_posting posting
        WHERE NOT EXISTS (SELECT FROM ledger_entry entry WHERE entry.id = posting.entry_id)
           OR NOT EXISTS (SELECT FROM ledger_account account
                          WHERE account.id = posting.account_id AND account.currency = posting.currency)
        LIMIT %(shown)s""",
    "entry does not balance": """
        SELECT DISTINCT 'entry ' || entry_id || ' in ' || currency FROM ledger_posting
        GROUP BY entry_id, currency HAVING sum(amount) <> 0 LIMIT %(shown)s""",
    "entry of a kind that is not in the chart": """
        SELECT key FROM ledger_entry WHERE kind <> ALL (%(kinds)s) LIMIT %(shown)s""",
    "checkpoint differs from the postings": """
        WITH counted AS (
            SELECT posting.account_id, sum(posting.amount) AS amount
            FROM ledger_posting posting JOIN ledger_chain link ON link.entry_id = posting.entry_id
            WHERE link.seq <= (SELECT max(seq) FROM ledger_checkpoint)
            GROUP BY posting.account_id
        ), noted AS (
            SELECT DISTINCT ON (account_id) account_id, balance FROM ledger_checkpoint ORDER BY account_id, seq DESC
        )
        SELECT coalesce(account.code, 'account ' || account_id)
        FROM counted FULL JOIN noted USING (account_id) LEFT JOIN ledger_account account ON account.id = account_id
        WHERE coalesce(counted.amount, 0) <> coalesce(noted.balance, 0)
        LIMIT %(shown)s""",
    "guard missing or disabled": """
        SELECT expected.name || ' on ' || expected.relation
        FROM (VALUES ('close_entry', 'ledger_entry'), ('check_postings', 'ledger_posting'),
                     ('append_only', 'ledger_account'), ('append_only', 'ledger_entry'),
                     ('append_only', 'ledger_posting'), ('append_only', 'ledger_chain'),
                     ('append_only', 'ledger_currency'), ('append_only', 'ledger_checkpoint'),
                     ('add_checkpoint', 'ledger_chain')
             ) AS expected (name, relation)
        WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = to_regclass(expected.relation)
                          AND t.tgname = expected.name AND t.tgenabled IN ('O', 'A'))
        LIMIT %(shown)s""",
}


@dataclass(frozen=True, slots=True)
class Verification:
    """Outcome of `verify`. `problems` are sentences for an operator; `first_broken` is a seq of the chain."""

    entries: int
    head: Anchor
    first_broken: int | None
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def head() -> Anchor:
    """Return the end of the chain now. Written down elsewhere, it later proves that nothing was cut off."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq, digest FROM ledger_chain ORDER BY seq DESC LIMIT 1")
        row = cursor.fetchone()
    return Anchor(row[0], bytes(row[1])) if row else Anchor(0, bytes(32))


def verify(*, progress: Progress | None = None, anchor: Anchor | None = None) -> Verification:
    """Recompute the chain up to its present head and check every balance. May run beside writers.

    `progress(done, total)` is called per chunk of links; `anchor` is an earlier `head()`. Raises nothing for
    a broken ledger: the problems are the answer.
    """
    walk = ChainWalk(anchor=anchor)
    total = head().seq
    for chunk in _chunks(total):
        walk.follow(chunk)
        if progress is not None:
            progress(chunk[-1].seq, total)
        if walk.broken is not None:
            break
    walk.finish()
    problems = [] if walk.broken is None else [f"chain broken at {walk.broken}: {walk.why}"]
    problems += [f"{what}: {', '.join(found)}" for what, found in _findings()]
    problems += _unbalanced_currencies()
    problems += _outside_the_chart()[:_SHOWN]
    return Verification(walk.seq, Anchor(walk.seq, walk.digest), walk.broken, tuple(problems))


def _chunks(last: int) -> Iterator[list[StoredLink]]:
    after = 0
    while after < last:
        with connection.cursor() as cursor:
            cursor.execute(_LINKS, {"after": after, "last": last, "limit": _CHUNK})
            rows = cursor.fetchall()
        if not rows:
            return
        yield [_link(row) for row in rows]
        after = rows[-1][0]


def _link(row: tuple[Any, ...]) -> StoredLink:
    seq, previous, digest, *entry, lines = row
    fields = (*entry, *(field for line in lines or () for field in line))
    return StoredLink(seq, bytes(previous), bytes(digest), None if entry[0] is None else fields)


def _findings() -> Iterator[tuple[str, list[str]]]:
    for what, statement in _CHECKS.items():
        with connection.cursor() as cursor:
            cursor.execute(statement, {"shown": _SHOWN, "kinds": [kind.value for kind in EntryKind]})
            found = [row[0] for row in cursor.fetchall()]
        if found:
            yield what, found


def _unbalanced_currencies() -> list[str]:
    sums: dict[str, int] = {}
    for account in trial_balance():
        sums[account.currency] = sums.get(account.currency, 0) + account.balance
    return [f"trial balance of {currency} is off by {total}" for currency, total in sums.items() if total]


def _outside_the_chart() -> list[str]:
    problems = []
    for code, kind in Account.objects.order_by("code").values_list("code", "kind").iterator():
        try:
            expected = account_spec(code).kind
        except BadInput as refused:
            problems.append(refused.message)
            continue
        if kind != expected:
            problems.append(f"account {code} is of kind {kind}, its family of kind {expected}")
    for code, scale in Currency.objects.order_by("code").values_list("code", "scale"):
        if scale != _scale_or_none(code):
            problems.append(f"currency {code} has {scale} decimals here, and {_scale_or_none(code)} in the code")
    return problems


def _scale_or_none(code: str) -> int | None:
    try:
        return scale_of(code)
    except BadInput:
        return None
