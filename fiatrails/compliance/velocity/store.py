"""Velocity limits in the database: what is within a window is counted, judged and recorded in one step, under a lock.

Subjects are chains of rows with running totals (see `VelocityUsage`), so a window costs two index probes however much
is in it, and one more for each of its released rows. The lock is an advisory one and no row is ever rewritten to take
it: a row that every payment of a country updates would leave dead versions behind for as long as a backup holds its
snapshot.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from django.db.transaction import TransactionManagementError

from fiatrails.compliance.velocity.rules import (
    ADMITTED,
    Admission,
    MeterEntry,
    Rules,
    Usage,
    Used,
    entries_of,
    judge,
    meter_of,
    subject_of,
)
from fiatrails.kernel.conf import config
from fiatrails.kernel.metrics import velocity_refusals

log = structlog.get_logger(__name__)
_PURPOSE = b"fiatrails velocity subjects v1"
_DIGEST_BYTES = 16
PRUNED_AT_ONCE = 10_000
_ADMIT = """
    SELECT recorded, fresh, counts, amounts FROM compliance_velocity_admit(
        %(now)s, %(intents)s::text[], %(meters)s::text[], %(digests)s::bytea[], %(amounts)s::numeric[],
        %(gauges)s::int[], %(gauge_digests)s::bytea[], %(since)s::timestamptz[],
        %(room_counts)s::numeric[], %(room_amounts)s::numeric[])
"""
_READ = """
    SELECT fresh, counts, amounts FROM compliance_velocity_look(
        %(intents)s::text[], %(meters)s::text[],
        %(gauges)s::int[], %(gauge_digests)s::bytea[], %(since)s::timestamptz[])
"""
_RECORD = """
    SELECT compliance_velocity_record(
        %(now)s, %(intents)s::text[], %(meters)s::text[], %(digests)s::bytea[], %(amounts)s::numeric[])
"""
_RELEASE = """
    UPDATE compliance_velocity_usage SET released_at = %(now)s
     WHERE intent_id = ANY(%(intents)s) AND released_at IS NULL
"""
_PRUNE = """
    DELETE FROM compliance_velocity_usage WHERE (digest, running_count) IN (
        SELECT digest, running_count FROM compliance_velocity_usage
         WHERE at < %(before)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""


def admit(usages: Sequence[Usage], rules: Rules, *, now: datetime) -> dict[str, Admission]:
    """Admit or refuse each intent, and count what is admitted from now on; by intent id. In the caller's transaction,
    once in it, after its row locks: the locks taken here are the last before those of COMMIT, and are held until then.

    An intent that was counted before is admitted again without being counted twice. A window holds what was admitted
    after `now` minus its length. One statement while everything fits; a second when something does not. No rules: none.
    """
    batch = _Batch.of(usages, rules)
    if not batch.entries:
        return dict.fromkeys(batch.usages, ADMITTED)
    if not connection.in_atomic_block:
        raise TransactionManagementError("velocity limits are counted in the transaction that uses what they admit")
    seen = batch.lock_and_read(now)
    admissions = batch.judge(seen)
    if not seen.recorded:
        admitted = [admissions[entry.intent_id].admitted for entry in batch.entries]
        batch.record([at for at, fresh in enumerate(seen.fresh) if fresh and admitted[at]], now)
    _report(admissions)
    return admissions


def would_admit(usages: Sequence[Usage], rules: Rules, *, now: datetime) -> dict[str, Admission]:
    """Return what `admit` would say now; count, lock and report nothing. For intents that are held and checked
    again."""
    batch = _Batch.of(usages, rules)
    return batch.judge(batch.read(now)) if batch.entries else dict.fromkeys(batch.usages, ADMITTED)


def release(intent_ids: Collection[str], *, now: datetime) -> int:
    """Stop counting intents that ended without a mint (refunded, expired); returns how many rows that freed. Again for
    the same intents it frees nothing. The caller holds the intents' row locks."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, {"now": now, "intents": sorted(intent_ids)})
        return int(cursor.rowcount)


def prune(rules: Rules, *, now: datetime, limit: int = PRUNED_AT_ONCE) -> int:
    """Delete rows older than the longest window, at most `limit`; for a periodic job, which calls again while it
    returns `limit`. Without rules nothing is deleted: whoever takes the rules out of the profile for a day must not
    lose what they count."""
    if not rules:
        return 0
    before = now - timedelta(seconds=max(rule.window_s for rule in rules))
    with connection.cursor() as cursor:
        cursor.execute(_PRUNE, {"before": before, "limit": limit})
        return int(cursor.rowcount)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the database said: whether all of it fitted and is recorded, which entries are new, what the gauges held."""

    recorded: bool
    fresh: list[bool]
    used: dict[tuple[int, str], Used]


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is asked, as the database takes it: entries with digests, and one gauge for each rule and subject, with
    what the batch would add to it."""

    rules: Rules
    usages: dict[str, Usage]
    entries: list[MeterEntry]
    digests: list[bytes]
    adds: dict[tuple[int, str], Used]
    keys: list[bytes]

    @classmethod
    def of(cls, usages: Sequence[Usage], rules: Rules) -> _Batch:
        unique = {usage.intent_id: usage for usage in usages}
        entries = list(entries_of(list(unique.values()), rules))
        keys = _keys() if entries else []
        adds: dict[tuple[int, str], Used] = {}
        for place, rule in enumerate(rules):
            for usage in unique.values():
                subject = subject_of(rule, usage)
                if subject is not None:
                    add = adds.setdefault((place, subject), Used())
                    add.count += 1
                    add.amount += usage.paid.minor
        return cls(rules, unique, entries, [_digest(keys[0], e.meter, e.subject) for e in entries], adds, keys)

    def lock_and_read(self, now: datetime) -> _Seen:
        """Record as well, if all of it fits."""
        with connection.cursor() as cursor:
            cursor.execute(_ADMIT, self._columns(range(len(self.entries)), now) | self._gauges(now))
            return self._seen(*cursor.fetchone())

    def read(self, now: datetime) -> _Seen:
        """Return what is used at this moment; the next may differ."""
        with connection.cursor() as cursor:
            cursor.execute(_READ, self._columns(range(len(self.entries)), now) | self._gauges(now))
            return self._seen(False, *cursor.fetchone())

    def _seen(self, recorded: bool, fresh: list[bool], counts: list[Decimal], amounts: list[Decimal]) -> _Seen:
        used = {key: Used(int(n), int(total)) for key, n, total in zip(self.adds, counts, amounts, strict=True)}
        return _Seen(recorded, fresh, used)

    def judge(self, seen: _Seen) -> dict[str, Admission]:
        """Judge each intent in its turn, without those entries that are counted already."""
        counted = {(e.intent_id, e.meter) for e, fresh in zip(self.entries, seen.fresh, strict=True) if not fresh}
        return judge(list(self.usages.values()), self.rules, seen.used, counted=counted)

    def record(self, places: Sequence[int], now: datetime) -> None:
        """Count these entries; the locks of `lock_and_read` are still held."""
        if places:
            with connection.cursor() as cursor:
                cursor.execute(_RECORD, self._columns(places, now))

    def _columns(self, places: Sequence[int], now: datetime) -> dict[str, Any]:
        chosen = [self.entries[place] for place in places]
        return {
            "now": now,
            "intents": [entry.intent_id for entry in chosen],
            "meters": [entry.meter for entry in chosen],
            "digests": [self.digests[place] for place in places],
            "amounts": [entry.amount for entry in chosen],
        }

    def _gauges(self, now: datetime) -> dict[str, Any]:
        rows = [
            (at, _digest(key, meter_of(self.rules[place]), subject), self.rules[place])
            for at, (place, subject) in enumerate(self.adds, 1)
            for key in self.keys
        ]
        rooms = [(self.rules[place], add) for (place, _), add in self.adds.items()]
        return {
            "gauges": [at for at, _, _ in rows],
            "gauge_digests": [digest for _, digest, _ in rows],
            "since": [now - timedelta(seconds=rule.window_s) for _, _, rule in rows],
            "room_counts": [_less(rule.max_count, add.count) for rule, add in rooms],
            "room_amounts": [_less(rule.max_amount, add.amount) for rule, add in rooms],
        }


def _less(limit: int | None, added: int) -> int | None:
    return None if limit is None else limit - added


def _keys() -> list[bytes]:
    """Return the key of the digests, then those that former values of DJANGO_SECRET_KEY gave: what was counted under
    them still counts."""
    former = getattr(settings, "SECRET_KEY_FALLBACKS", [])
    secrets = [config().clearance_key.get_secret_value(), *former]
    return [hmac.digest(secret.encode(), _PURPOSE, "sha256") for secret in secrets]


def _digest(key: bytes, meter: str, subject: str) -> bytes:
    return hmac.digest(key, f"{meter}\0{subject}".encode(), "sha256")[:_DIGEST_BYTES]


def _report(admissions: dict[str, Admission]) -> None:
    for intent_id, admission in admissions.items():
        if not admission.admitted:
            velocity_refusals.labels(scope=admission.scope, action=admission.action).inc()
            log.warning("velocity.exceeded", intent_id=intent_id, code=admission.code, action=admission.action)
