"""Payments into the database: the callbacks that arrive together share one COMMIT.

Threads of requests never touch the database here; the group-commit thread owns the one connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import connection

from fiatrails.api.clock import CLOCK
from fiatrails.api.errors import DATABASE_LOST
from fiatrails.controls.modes import Flow, check
from fiatrails.engine.group_commit import GroupCommit
from fiatrails.engine.postgres.errors import in_words
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.errors import Unavailable
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.providers.core.inbox import Stored
from fiatrails.purchases.payments.record import record_payments

log = structlog.get_logger(__name__)
_LOST = Unavailable("database_unavailable", "could not be stored; send it again", retry_after=5)
# How long an unreachable database is not asked again, so that a queue of callbacks does not wait for one connection
# timeout each.
_PAUSE = timedelta(seconds=1)


class PaymentStore:
    """`record_payments` with a connection that is replaced when it was lost. For one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._down_until: datetime | None = None

    def __call__(self, events: Sequence[PaymentEvent]) -> list[Stored]:
        """Store the batch; Unavailable when a mode forbids it or the database is away."""
        now = self._clock.now()
        check(Flow.ACCEPT_CALLBACK, now=now)
        if self._down_until is not None and now < self._down_until <= now + _PAUSE:
            raise _LOST
        try:
            answers = self._record(events)
        except DATABASE_LOST as error:
            log.warning("intake.not_stored", error=in_words(error), events=len(events))
            self._down_until = self._clock.now() + _PAUSE
            raise _LOST from None
        self._down_until = None
        return answers

    def _record(self, events: Sequence[PaymentEvent]) -> list[Stored]:
        """Record the payments, a second time when the connection was lost: a server that restarted breaks it once.
        Repeating is safe even if the lost batch had been committed: its events are then recognised as seen."""
        try:
            return record_payments(events, now=self._clock.now())
        except DATABASE_LOST as error:
            log.warning("intake.reconnecting", error=in_words(error), events=len(events))
            connection.close()
            return record_payments(events, now=self._clock.now())


INTAKE: GroupCommit[PaymentEvent, Stored] = GroupCommit(PaymentStore(CLOCK))
