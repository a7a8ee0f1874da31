"""Modes: the hook where each flow asks whether it may run now.

A mode is in force when its row says so or its environment variable does. What each one stops:

| flow            | degraded | read_only | maintenance | db_fallback |
|-----------------|----------|-----------|-------------|-------------|
| CREATE_INTENT   | goes on  | stopped   | stopped     | goes on     |
| ACCEPT_CALLBACK | stopped  | stopped   | goes on     | goes on     |
| CLEAR           | stopped  | stopped   | stopped     | stopped     |
| SUBMIT          | stopped  | stopped   | stopped     | stopped     |
| REFUND          | stopped  | stopped   | stopped     | stopped     |
| REPLAY          | stopped  | stopped   | stopped     | stopped     |

Degraded means that the chain cannot be asked, and a refund needs its answer as much as a mint does. In
maintenance, callbacks are still stored: the provider's money has moved whether or not we are open.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import Error, connection, transaction

from fiatrails.controls import audit
from fiatrails.controls.models import Mode
from fiatrails.kernel.clock import isoformat
from fiatrails.kernel.errors import BadInput, Unavailable


class ModeName(StrEnum):
    """Every mode, the one that explains most to the refused first."""

    MAINTENANCE = "maintenance"
    READ_ONLY = "read_only"
    DB_FALLBACK = "db_fallback"
    DEGRADED = "degraded"


class Flow(StrEnum):
    """Everything that asks before it runs."""

    CREATE_INTENT = "create_intent"
    ACCEPT_CALLBACK = "accept_callback"
    CLEAR = "clear"
    SUBMIT = "submit"
    REFUND = "refund"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a flow may run; when not, the `mode` that stops it, what to tell the caller and when to come
    back."""

    allowed: bool
    mode: ModeName | None = None
    message: str = ""
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    variable: str
    goes_on: frozenset[Flow]
    message: str
    retry_after_s: int


_RULES = {
    ModeName.MAINTENANCE: _Rule(
        "MAINTENANCE_MODE",
        frozenset({Flow.ACCEPT_CALLBACK}),
        "FiatRails is under maintenance; try again later",
        300,
    ),
    ModeName.READ_ONLY: _Rule("READ_ONLY", frozenset(), "writes are switched off for now; try again later", 60),
    ModeName.DB_FALLBACK: _Rule(
        "DB_FALLBACK_MODE",
        frozenset({Flow.CREATE_INTENT, Flow.ACCEPT_CALLBACK}),
        "the database is unavailable and nothing is minted or refunded; it is done afterwards",
        60,
    ),
    ModeName.DEGRADED: _Rule(
        "DEGRADED_MODE",
        frozenset({Flow.CREATE_INTENT}),
        "the chain cannot be reached; payments are queued, not lost, send it again later",
        60,
    ),
}
_OFF = frozenset({"", "0", "false", "no", "off"})
_FRESH_FOR = timedelta(seconds=1)


class _Rows:
    """The rows that are switched on, remembered for a second by the caller's clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at: datetime | None = None
        self._expiries: dict[ModeName, datetime | None] = {}

    def forget(self) -> None:
        with self._lock:
            self._read_at = None

    def in_force(self, now: datetime) -> set[ModeName]:
        with self._lock:
            # A clock that was set back must not keep an old answer alive.
            if self._read_at is None or not timedelta(0) <= now - self._read_at < _FRESH_FOR:
                self._refresh(now)
            return {name for name, expiry in self._expiries.items() if expiry is None or now < expiry}

    def _refresh(self, now: datetime) -> None:
        try:
            self._read()
        except Error:
            if connection.in_atomic_block:
                raise
            # A connection that a restarted server broke is no database that is down: asked once more on a new one,
            # or a mode that was switched off meanwhile would stay in force here.
            connection.close()
            self._read_if_up()
        self._read_at = now

    def _read_if_up(self) -> None:
        """With the database down the last known modes stay in force, and it is not asked again for a second."""
        with suppress(Error):
            self._read()

    def _read(self) -> None:
        rows = list(Mode.objects.filter(active=True).values_list("name", "expires_at"))
        self._expiries = {ModeName(name): expires_at for name, expires_at in rows if name in set(ModeName)}


_rows = _Rows()


def from_environment(environ: Mapping[str, str]) -> set[ModeName]:
    """Modes that the environment switches on. Anything but empty, 0, false, no and off is on: who wrote
    `ture` into READ_ONLY wants writes to stop."""
    return {name for name, rule in _RULES.items() if environ.get(rule.variable, "").strip().lower() not in _OFF}


def in_force(*, now: datetime, environ: Mapping[str, str] = os.environ) -> set[ModeName]:
    """Every mode in force; a change of a row is seen within a second by every process, without restart."""
    return from_environment(environ) | _rows.in_force(now)


def decide(flow: Flow, *, now: datetime, environ: Mapping[str, str] = os.environ) -> Decision:
    """Whether `flow` may run now."""
    active = in_force(now=now, environ=environ)
    for name, rule in _RULES.items():
        if name in active and flow not in rule.goes_on:
            message = environ.get("MAINTENANCE_MESSAGE", "") if name is ModeName.MAINTENANCE else ""
            return Decision(False, name, message or rule.message, rule.retry_after_s)
    return Decision(allowed=True)


def check(flow: Flow, *, now: datetime, environ: Mapping[str, str] = os.environ) -> None:
    """Returns when `flow` may run now; Unavailable otherwise, its code the mode's name (`degraded`, ...),
    with `retry_after` in seconds. A worker that gets it leaves the row as it is and due again then."""
    decision = decide(flow, now=now, environ=environ)
    if decision.mode is not None:
        raise Unavailable(decision.mode.value, decision.message, retry_after=decision.retry_after_s)


def set_mode(
    name: ModeName, *, active: bool, owner: str, reason: str, expires_at: datetime | None, now: datetime
) -> None:
    """Switches a mode on or off, audited, for every process. `expires_at` None: until it is switched off.

    BadInput without owner or reason, or with an expiry that is not in the future.
    """
    if not owner.strip() or not reason.strip():
        raise BadInput("mode_unexplained", "a mode needs an owner and a reason")
    if expires_at is not None and expires_at <= now:
        raise BadInput("mode_expired", "the expiry must lie in the future")
    values = {"active": active, "owner": owner, "reason": reason, "expires_at": expires_at, "set_at": now}
    with transaction.atomic():
        Mode.objects.update_or_create(name=name.value, defaults=values)
        details = {"reason": reason, "expiresAt": isoformat(expires_at) if expires_at else None}
        audit.record(owner, f"mode.{'on' if active else 'off'}", name.value, details, now=now)
        transaction.on_commit(_rows.forget)


def forget_cached() -> None:
    """Drops what was remembered: for tests, and after restoring a database."""
    _rows.forget()
