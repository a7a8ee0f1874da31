"""The audit log: who did what to what, append-only and hash-chained by the database at COMMIT."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from fiatrails.controls.models import AuditRecord
from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.hash_chain import Anchor, ChainWalk, StoredLink

_CHUNK = 2_000
_LINKS = """
SELECT link.seq, link.previous, link.digest, record.id::text,
       (extract(epoch FROM record.at) * 1000000)::bigint::text,
       record.actor, record.action, record.subject, record.details::text
FROM controls_audit_chain link LEFT JOIN controls_audit_record record ON record.id = link.record_id
WHERE link.seq > %s AND link.seq <= %s ORDER BY link.seq LIMIT %s
"""
_UNCHAINED = """
SELECT record.id FROM controls_audit_record record
WHERE NOT EXISTS (SELECT FROM controls_audit_chain link WHERE link.record_id = record.id) LIMIT 10
"""
_GUARDS_MISSING = """
SELECT expected.name || ' on ' || expected.relation
FROM (VALUES ('chain_record', 'controls_audit_record'), ('append_only', 'controls_audit_record'),
             ('append_only', 'controls_audit_chain')) AS expected (name, relation)
WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = to_regclass(expected.relation)
                  AND t.tgname = expected.name AND t.tgenabled IN ('O', 'A'))
"""


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """Outcome of `verify`. `problems` are sentences for an operator; `first_broken` is a seq of the chain."""

    records: int
    head: Anchor
    first_broken: int | None
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def record(actor: str, action: str, subject: str, details: Mapping[str, object], *, now: datetime) -> int:
    """Add a record in the caller's transaction (or its own) and return its id. `details` is JSON, without secrets.

    BadInput without an actor or action: an anonymous audit record is worth nothing.
    """
    if not actor.strip() or not action.strip():
        raise BadInput("audit_incomplete", "an audit record needs an actor and an action")
    row = AuditRecord.objects.create(at=now, actor=actor, action=action, subject=subject, details=dict(details))
    return row.pk


def of_subject(subject: str, *, limit: int) -> list[AuditRecord]:
    """Return the latest records about one subject, oldest first."""
    return list(AuditRecord.objects.filter(subject=subject).order_by("-id")[:limit])[::-1]


def head() -> Anchor:
    """Return the end of the chain now. Written down elsewhere, it later proves that nothing was cut off."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq, digest FROM controls_audit_chain ORDER BY seq DESC LIMIT 1")
        row = cursor.fetchone()
    return Anchor(row[0], bytes(row[1])) if row else Anchor(0, bytes(32))


def verify(*, progress: Callable[[int, int], None] | None = None, anchor: Anchor | None = None) -> AuditVerification:
    """Recompute the chain up to its present head; may run beside writers. `progress(done, total)` per chunk."""
    walk = ChainWalk(anchor=anchor)
    total = head().seq
    for chunk in _chunks(total):
        walk.follow(chunk)
        if progress is not None:
            progress(chunk[-1].seq, total)
    walk.finish()
    problems = [] if walk.broken is None else [f"chain broken at {walk.broken}: {walk.why}"]
    problems += [f"record {found} is not in the chain" for found in _column(_UNCHAINED)]
    problems += [f"guard missing or disabled: {found}" for found in _column(_GUARDS_MISSING)]
    return AuditVerification(walk.seq, Anchor(walk.seq, walk.digest), walk.broken, tuple(problems))


def _chunks(last: int) -> Iterator[list[StoredLink]]:
    after = 0
    while after < last:
        with connection.cursor() as cursor:
            cursor.execute(_LINKS, [after, last, _CHUNK])
            rows = cursor.fetchall()
        if not rows:
            return
        yield [_link(row) for row in rows]
        after = rows[-1][0]


def _link(row: tuple[Any, ...]) -> StoredLink:
    seq, previous, digest, *fields = row
    return StoredLink(seq, bytes(previous), bytes(digest), None if fields[0] is None else tuple(fields))


def _column(statement: str) -> list[object]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()]
