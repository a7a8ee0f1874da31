"""Set-based writing of purchases: many rows, one statement, so a batch of a hundred costs what one costs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from fiatrails.kernel.errors import StaleFence
from fiatrails.purchases.models import Delivery, Purchase
from fiatrails.purchases.states import Hold, State, require_move

# Column -> PostgreSQL type; everything that a move may change.
_COLUMNS = {
    "state": "text",
    "hold": "text",
    "reason": "text",
    "fiat_paid": "bigint",
    "due_at": "timestamptz",
    "attempts": "int",
    "last_error": "text",
    "paid_at": "timestamptz",
    "held_at": "timestamptz",
    "executed_at": "timestamptz",
    "refunded_at": "timestamptz",
    "waits_for": "text",
    "waits_since": "timestamptz",
}

# The rows come as one JSON text: psycopg writes arrays element by element in Python.
_STEPS = """
    INSERT INTO purchases_transition (intent_id, state, at, actor, detail)
    SELECT intent_id, state, %(now)s, actor, detail
      FROM json_to_recordset(%(steps)s::json) AS t(intent_id text, state text, actor text, detail text)
"""
_DELIVERY_COLUMNS = {
    "state": "text",
    "alone": "bool",
    "releases": "int",
    "transaction": "text",
    "place": "bigint",
}
_DELIVERED = f"""
    , delivered AS (
        UPDATE purchases_delivery d SET {", ".join(f"{name} = t.{name}" for name in _DELIVERY_COLUMNS)}
          FROM json_to_recordset(%(deliveries)s::json)
            AS t(id bigint, {", ".join(f"{name} {kind}" for name, kind in _DELIVERY_COLUMNS.items())})
         WHERE d.id = t.id)
"""  # noqa: S608 - the names above are constants


def _update(deliveries: str) -> str:
    # All in one statement: a callback waits for every round trip.
    return f"""
    WITH recorded AS ({_STEPS}), moved AS (
        UPDATE purchases_purchase p
           SET {", ".join(f"{name} = t.{name}" for name in _COLUMNS)},
               lease_until = NULL, fence = p.fence + 1
          FROM json_to_recordset(%(rows)s::json)
            AS t(id bigint, fence bigint, {", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())})
         WHERE p.id = t.id AND p.fence = t.fence
        RETURNING p.id
    ) {deliveries}
    SELECT count(*) FROM moved
"""  # noqa: S608 - the names above are constants


_UPDATE, _UPDATE_WITH_DELIVERIES = _update(""), _update(_DELIVERED)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a purchase's timeline."""

    intent_id: str
    state: str
    actor: str
    detail: str = ""


def move(purchase: Purchase, target: State, *, now: datetime, due_at: datetime | None, reason: str = "") -> None:
    """Change the purchase in memory: the state with everything that follows from it. Conflict when not allowed."""
    require_move(purchase.state, target)
    purchase.state, purchase.reason, purchase.due_at = target.value, reason, due_at
    purchase.attempts, purchase.last_error = 0, ""
    purchase.waits_for, purchase.waits_since = "", None
    if target is not State.HELD:
        purchase.hold = ""
    if target is State.PAID:
        purchase.paid_at = purchase.paid_at or now
    elif target is State.EXECUTED:
        purchase.executed_at = now
    elif target is State.REFUNDED:
        purchase.refunded_at = now


def hold(purchase: Purchase, why: Hold, *, now: datetime, reason: str, due_at: datetime | None = None) -> None:
    """Move the purchase to HELD: an operator or a policy decides what becomes of the money."""
    first_held = purchase.held_at if purchase.state == State.HELD and purchase.hold == why else now
    move(purchase, State.HELD, now=now, due_at=due_at, reason=reason)
    purchase.hold, purchase.held_at = why.value, first_held


def check_again(purchase: Purchase, at: datetime) -> None:
    """Check the purchase again at `at`. It was checked and nothing has changed: failures before that do not add up with
    those of another day."""
    purchase.due_at, purchase.attempts, purchase.last_error = at, 0, ""


def wait(purchase: Purchase, what: str, *, why: str, now: datetime) -> None:
    """Let the purchase wait for `what` without being due, which costs no attempt; `why` says what is missing."""
    check_again(purchase, now)
    purchase.due_at, purchase.last_error = None, why
    purchase.waits_for, purchase.waits_since = what, purchase.waits_since or now


def persist(
    purchases: Sequence[Purchase], steps: Sequence[Step], *, now: datetime, deliveries: Sequence[Delivery] = ()
) -> None:
    """Write purchases changed in memory, their timeline and their changed `deliveries`, in the caller's transaction.

    `WHERE fence = mine`: StaleFence when any row was taken over since it was read. The fence rises with every write,
    so a worker that still holds an older copy can write nothing. Deliveries are under the fence of their purchase,
    which has to be among `purchases`.
    """
    assert transaction.get_connection().in_atomic_block, "persist belongs into the transaction that decided"
    if not purchases:
        return
    rows = [{name: getattr(purchase, name) for name in ("id", "fence", *_COLUMNS)} for purchase in purchases]
    values: dict[str, str | datetime] = {"rows": _json(rows), "steps": _steps_json(steps), "now": now}
    if deliveries:
        chosen = [{name: getattr(each, name) for name in ("id", *_DELIVERY_COLUMNS)} for each in deliveries]
        values["deliveries"] = _json(chosen)
    with connection.cursor() as cursor:
        cursor.execute(_UPDATE_WITH_DELIVERIES if deliveries else _UPDATE, values)
        (moved,) = cursor.fetchone()
    if moved != len(purchases):
        raise StaleFence(f"{len(purchases) - moved} of {len(purchases)} intents")


def record_steps(steps: Sequence[Step], *, now: datetime) -> None:
    """Append to the timelines."""
    if not steps:
        return
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, {"steps": _steps_json(steps), "now": now})


def _steps_json(steps: Sequence[Step]) -> str:
    return _json([{"intent_id": s.intent_id, "state": s.state, "actor": s.actor, "detail": s.detail} for s in steps])


def _json(rows: Sequence[Mapping[str, object]]) -> str:
    """Return the rows as JSON, times as PostgreSQL reads them."""
    return json.dumps(rows, default=str)
