"""Claiming due rows: who works on what, for how long, under which fence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import connection

from fiatrails.engine.models import WorkRow

Row = TypeVar("Row", bound=WorkRow)

# SKIP LOCKED: a row that another worker is claiming right now is its row, waiting for it would only queue us up.
_CLAIM = """
    UPDATE {table} SET fence = fence + 1, lease_until = %(lease_until)s
     WHERE id = ANY(ARRAY(
        SELECT id FROM {table}
         WHERE due_at <= %(now)s AND (lease_until IS NULL OR lease_until <= %(now)s) {where}
         ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))
    RETURNING *
"""


def claim(
    model: type[Row],
    *,
    now: datetime,
    lease: timedelta,
    limit: int,
    where: str = "",
    params: dict[str, object] | None = None,
) -> list[Row]:
    """Take up to `limit` due rows of `model`: raise their fence and lease them until `now + lease`.

    `where` is a trusted SQL fragment starting with AND. The claim commits on its own; work happens afterwards.
    """
    sql = _CLAIM.format(table=connection.ops.quote_name(model._meta.db_table), where=where)
    values = {"now": now, "lease_until": now + lease, "limit": limit, **(params or {})}
    rows = list(model._default_manager.raw(sql, values))
    return sorted(rows, key=lambda row: row.pk)


def still_mine(model: type[Row], rows: Sequence[Row]) -> list[Row]:
    """Lock those of `rows` (in id order, inside the caller's transaction) whose fence is still the claimed one, and
    return them.

    The others were taken over while we were busy: whatever we learned about them is void (law: no write with a
    stale fence).
    """
    fences = {row.pk: row.fence for row in rows}
    locked = model._default_manager.select_for_update(of=("self",)).filter(pk__in=fences).order_by("pk")
    return [row for row in locked if row.fence == fences[row.pk]]
