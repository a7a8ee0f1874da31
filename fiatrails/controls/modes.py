"""Modes: the hook where each flow asks whether it may run now.

A mode is in force when its row says so or its environment variable does. What each one stops:

| flow            | degraded | read_only | maintenance | db_fallback | asked about    |
|-----------------|----------|-----------|-------------|-------------|----------------|
| CREATE_INTENT   | goes on  | stopped   | stopped     | goes on     | everything     |
| BEGIN_PAYMENT   | goes on  | stopped   | stopped     | goes on     | a provider     |
| ACCEPT_CALLBACK | stopped  | stopped   | goes on     | goes on     | everything     |
| CONFIRM_PAYMENT | goes on  | stopped   | goes on     | stopped     | a provider     |
| DRIVE_REQUEST   | goes on  | stopped   | goes on     | stopped     | a provider     |
| CLEAR           | stopped  | stopped   | stopped     | stopped     | a chain        |
| SUBMIT          | stopped  | stopped   | stopped     | stopped     | a chain        |
| MINT            | stopped  | stopped   | stopped     | stopped     | a chain        |
| REFUND          | stopped  | stopped   | stopped     | stopped     | both           |
| ACCEPT          | goes on  | stopped   | goes on     | stopped     | everything     |
| CANCEL          | goes on  | stopped   | goes on     | stopped     | everything     |
| REPLAY          | stopped  | stopped   | stopped     | stopped     | everything     |

Degraded means that the chain cannot be asked, and a refund needs its answer as much as a mint does. In
maintenance, callbacks are still stored, and what was asked of a provider is followed to its end: the provider's money
has moved whether or not we are open. What every flow of a worker finds stopped stays as it is, due, and costs nothing.

`degraded` may be set for one chain (`evm:31337`) or one provider (`mpesa`). It then stops what asks that chain or that
provider, and nothing else.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Collection, Mapping
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
    BEGIN_PAYMENT = "begin_payment"
    ACCEPT_CALLBACK = "accept_callback"
    CONFIRM_PAYMENT = "confirm_payment"
    DRIVE_REQUEST = "drive_request"
    CLEAR = "clear"
    SUBMIT = "submit"
    MINT = "mint"
    REFUND = "refund"
    ACCEPT = "accept"
    CANCEL = "cancel"
    REPLAY = "replay"


# The flows that ask one chain or one provider: what a mode of that scope stops.
_ASKS_OUTSIDE = frozenset(
    {
        Flow.BEGIN_PAYMENT,
        Flow.CONFIRM_PAYMENT,
        Flow.DRIVE_REQUEST,
        Flow.CLEAR,
        Flow.SUBMIT,
        Flow.MINT,
        Flow.REFUND,
    }
)
EVERYTHING = ""
_SCOPE = re.compile(r"[a-z][a-z0-9_]{0,30}(?::[a-z0-9]{1,30})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether a flow may run; when not, the `mode` that stops it, what to tell the caller and when to come
    back."""

    allowed: bool
    mode: ModeName | None = None
    message: str = ""
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """A mode that is in force, for one chain or provider, or for EVERYTHING."""

    name: ModeName
    scope: str = EVERYTHING

    def __str__(self) -> str:
        return f"{self.name.value} {self.scope}".strip()


@dataclass(frozen=True, slots=True)
class _Rule:
    variable: str
    goes_on: frozenset[Flow]
    message: str
    retry_after_s: int


_RULES = {
    ModeName.MAINTENANCE: _Rule(
        "MAINTENANCE_MODE",
        frozenset({Flow.ACCEPT_CALLBACK, Flow.CONFIRM_PAYMENT, Flow.DRIVE_REQUEST, Flow.ACCEPT, Flow.CANCEL}),
        "FiatRails is under maintenance; try again later",
        300,
    ),
    ModeName.READ_ONLY: _Rule("READ_ONLY", frozenset(), "writes are switched off for now; try again later", 60),
    ModeName.DB_FALLBACK: _Rule(
        "DB_FALLBACK_MODE",
        frozenset({Flow.CREATE_INTENT, Flow.BEGIN_PAYMENT, Flow.ACCEPT_CALLBACK}),
        "the database is unavailable and nothing is minted or refunded; it is done afterwards",
        60,
    ),
    ModeName.DEGRADED: _Rule(
        "DEGRADED_MODE",
        frozenset(
            {
                Flow.CREATE_INTENT,
                Flow.BEGIN_PAYMENT,
                Flow.CONFIRM_PAYMENT,
                Flow.DRIVE_REQUEST,
                Flow.ACCEPT,
                Flow.CANCEL,
            }
        ),
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
        self._expiries: dict[Switch, datetime | None] = {}

    def forget(self) -> None:
        with self._lock:
            self._read_at = None

    def in_force(self, now: datetime) -> set[Switch]:
        with self._lock:
            # A clock that was set back must not keep an old answer alive.
            if self._read_at is None or not timedelta(0) <= now - self._read_at < _FRESH_FOR:
                self._refresh(now)
            return {switch for switch, expiry in self._expiries.items() if expiry is None or now < expiry}

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
        rows = list(Mode.objects.filter(active=True).values_list("name", "scope", "expires_at"))
        known = set(ModeName)
        self._expiries = {Switch(ModeName(name), scope): until for name, scope, until in rows if name in known}


_rows = _Rows()


def from_environment(environ: Mapping[str, str]) -> set[ModeName]:
    """Return the modes that the environment switches on. Anything but empty, 0, false, no and off is on: who wrote
    `ture` into READ_ONLY wants writes to stop."""
    return {name for name, rule in _RULES.items() if environ.get(rule.variable, "").strip().lower() not in _OFF}


def switched_on(*, now: datetime, environ: Mapping[str, str] = os.environ) -> set[Switch]:
    """Return every mode in force with its scope; a change of a row is seen within a second by every process."""
    return {Switch(name) for name in from_environment(environ)} | _rows.in_force(now)


def in_force(*, now: datetime, environ: Mapping[str, str] = os.environ) -> set[ModeName]:
    """Return the modes in force for everything; those of one chain or provider are in `switched_on` only."""
    return {switch.name for switch in switched_on(now=now, environ=environ) if switch.scope == EVERYTHING}


def decide(
    flow: Flow, *, now: datetime, scopes: Collection[str] = (), environ: Mapping[str, str] = os.environ
) -> Permit:
    """Return whether `flow` may run now. `scopes`: the chain and the provider that it would ask."""
    active = switched_on(now=now, environ=environ)
    for name, rule in _RULES.items():
        everything = Switch(name) in active and flow not in rule.goes_on
        one = flow in _ASKS_OUTSIDE and any(Switch(name, scope) in active for scope in scopes if scope)
        if everything or one:
            message = environ.get("MAINTENANCE_MESSAGE", "") if name is ModeName.MAINTENANCE else ""
            return Permit(False, name, message or rule.message, rule.retry_after_s)
    return Permit(allowed=True)


def check(flow: Flow, *, now: datetime, scopes: Collection[str] = (), environ: Mapping[str, str] = os.environ) -> None:
    """Return when `flow` may run now; Unavailable otherwise, its code the mode's name (`degraded`, ...),
    with `retry_after` in seconds. A worker that gets it leaves the row as it is and due again then."""
    decision = decide(flow, now=now, scopes=scopes, environ=environ)
    if decision.mode is not None:
        raise Unavailable(decision.mode.value, decision.message, retry_after=decision.retry_after_s)


def set_mode(
    name: ModeName,
    *,
    active: bool,
    owner: str,
    reason: str,
    expires_at: datetime | None,
    now: datetime,
    scope: str = EVERYTHING,
) -> None:
    """Switch a mode on or off, audited, for every process. `expires_at` None: until it is switched off. `scope`: one
    chain (`evm:31337`) or one provider (`mpesa`), for `degraded` only.

    BadInput without owner or reason, with an expiry that is not in the future, or with a scope that cannot be one.
    """
    if not owner.strip() or not reason.strip():
        raise BadInput("mode_unexplained", "a mode needs an owner and a reason")
    if expires_at is not None and expires_at <= now:
        raise BadInput("mode_expired", "the expiry must lie in the future")
    if scope and (name is not ModeName.DEGRADED or not _SCOPE.fullmatch(scope)):
        raise BadInput("mode_scope", "only degraded has a scope: a chain such as evm:31337 or a provider such as mpesa")
    values = {"active": active, "owner": owner, "reason": reason, "expires_at": expires_at, "set_at": now}
    with transaction.atomic():
        Mode.objects.update_or_create(name=name.value, scope=scope, defaults=values)
        details = {"reason": reason, "expiresAt": isoformat(expires_at) if expires_at else None}
        audit.record(owner, f"mode.{'on' if active else 'off'}", str(Switch(name, scope)), details, now=now)
        transaction.on_commit(_rows.forget)


def forget_cached() -> None:
    """Drop what was remembered: for tests, and after restoring a database."""
    _rows.forget()
