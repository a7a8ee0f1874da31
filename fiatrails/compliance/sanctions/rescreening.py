"""Everybody known, screened once more whenever lists or algorithm have changed.

A run goes through the wallets in order, some hundred at a time, and writes how far it came together with what it found,
so a crash loses nothing and two workers do the same work at worst. Cases are opened for what is found, and cases whose
hit is gone are closed; what follows on chain is `suspensions`' business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from django.db import connection, transaction

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.pool import default_pool
from fiatrails.compliance.sanctions import cases, checks
from fiatrails.compliance.sanctions.checks import Check
from fiatrails.compliance.sanctions.models import Rescreening
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.errors import OutsideUnknown, Unavailable
from fiatrails.screening.lists.rules import ActiveLists, Unusable
from fiatrails.screening.matching.scoring import ALGORITHM

log = structlog.get_logger(__name__)
CHUNK = 500
CHUNKS_PER_JOB = 8
_LOCK = "SELECT pg_advisory_xact_lock(4717, 0)"
_KNOWN = """
SELECT * FROM (
    (SELECT DISTINCT "user" FROM compliance_payer WHERE "user" > %(after)s ORDER BY "user" LIMIT %(limit)s)
    UNION
    (SELECT DISTINCT "user" FROM compliance_decision WHERE "user" > %(after)s ORDER BY "user" LIMIT %(limit)s)
) AS known ORDER BY "user" LIMIT %(limit)s
"""
_COUNT = """
SELECT count(*) FROM (SELECT "user" FROM compliance_payer UNION SELECT "user" FROM compliance_decision) AS known
"""


def run_job(clock: Clock) -> str:
    """Run some chunks of what is due, as a periodic job; "off" without screening, "current" when everybody was screened
    against the lists in force."""
    if not checks.enabled():
        return "off"
    try:
        run = due(clock.now())
    except Unavailable as refusal:
        return f"waiting: {refusal.code}"
    if run.finished_at is not None:
        return "current"
    try:
        for _ in range(CHUNKS_PER_JOB):
            if not step(run, pool=default_pool(), clock=clock):
                break
    except OutsideUnknown as unknown:
        return f"waiting: {unknown.code}"
    return f"{run.screened} screened, {run.opened} cases opened, {run.closed} closed"


def run_to_end(
    clock: Clock, *, pool: RpcPool, again: bool = False, progress: Callable[[int], object] = lambda _: None
) -> Rescreening:
    """Screen all that is due, at once; with `again` also when nothing has changed. Unavailable without usable lists,
    OutsideUnknown when there is an oracle and it is silent; what was done so far stays."""
    run = due(clock.now(), again=again)
    while step(run, pool=pool, clock=clock):
        progress(run.screened)
    return run


def due(now: datetime, *, again: bool = False) -> Rescreening:
    """Return the newest run; a new one when the lists in force are others than those of the last. Unavailable when the
    lists may not be relied on: nobody's case may be closed because a sample does not have it."""
    found = checks.usable(now)
    if isinstance(found, Unusable):
        raise Unavailable(found.code, found.reason)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK)
        last = latest()
        if last is None or _is_outdated(last, found.lists) or (again and last.finished_at is not None):
            return Rescreening.objects.create(
                lists=list(found.lists.ids), digest=found.lists.digest, algorithm=ALGORITHM, started_at=now
            )
    return last


def latest() -> Rescreening | None:
    """Return the newest run."""
    return Rescreening.objects.order_by("-id").first()


def step(run: Rescreening, *, pool: RpcPool, clock: Clock) -> bool:
    """Screen one chunk and return whether there is more. `run` is brought up to date."""
    found = checks.usable(clock.now())
    if isinstance(found, Unusable) or _is_outdated(run, found.lists) or run.finished_at is not None:
        return False
    users = _known(after=run.cursor, limit=CHUNK)
    found_now = checks.screened(users, found.lists, pool=pool) if users else {}
    return _write(run, users, found_now, now=clock.now())


def _write(run: Rescreening, users: Sequence[str], found: dict[str, Check], *, now: datetime) -> bool:
    with transaction.atomic():
        stored = Rescreening.objects.select_for_update().get(pk=run.id)
        # Another worker may have done this chunk meanwhile: then its cursor counts, and not ours.
        if stored.cursor == run.cursor and stored.finished_at is None:
            for user in users:
                stored.opened += cases.open_for(user, found[user].open_hits, origin="rescreening", now=now)
                stored.closed += _close(user, found[user], now)
            stored.screened += len(users)
            stored.cursor = users[-1] if users else stored.cursor
            stored.finished_at = None if len(users) == CHUNK else now
            stored.save()
    for name in ("cursor", "screened", "opened", "closed", "finished_at"):
        setattr(run, name, getattr(stored, name))
    if run.finished_at == now:
        log.info("screening.rescreened", users=run.screened, opened=run.opened, closed=run.closed, digest=run.digest)
    return run.finished_at is None


def _close(user: str, check: Check, now: datetime) -> int:
    still = [hit.entity for hit in check.open_hits]
    return cases.close_gone(user, still, now=now, note=f"not found any more by list {check.inputs['digest'][:12]}")


def _is_outdated(run: Rescreening, lists: ActiveLists) -> bool:
    return (run.digest, run.algorithm) != (lists.digest, ALGORITHM)


def count_known() -> int:
    """Return how many wallets there are to look at, for a progress bar."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT)
        return int(cursor.fetchone()[0])


def _known(*, after: str, limit: int) -> list[str]:
    """Return wallets that anything was ever recorded of or decided about, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, {"after": after, "limit": limit})
        return [row[0] for row in cursor.fetchall()]
