"""Who may write for a lane, and until when (the fence on every write)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from fiatrails.kernel.clock import Clock
from fiatrails.kernel.errors import StaleFence

_log = structlog.get_logger()
# So much of a reason is kept.
MAX_HELD_CHARS = 500

_TAKE = """
UPDATE evm_lane SET fence = fence + 1, holder = %s, lease_until = %s
WHERE id = %s AND (lease_until IS NULL OR lease_until <= %s OR holder = %s)
RETURNING fence, chain_id, address, role, next_nonce, held
"""
_RENEW = "UPDATE evm_lane SET lease_until = %s WHERE id = %s AND fence = %s"
_RELEASE = "UPDATE evm_lane SET lease_until = NULL, holder = '' WHERE id = %s AND fence = %s"
_HOLD = """
UPDATE evm_lane SET held = %s, held_since = CASE WHEN %s = '' THEN NULL ELSE coalesce(held_since, %s) END
WHERE id = %s AND fence = %s
"""


@dataclass(frozen=True, slots=True)
class LaneLease:
    """The right to write for one lane. Everything that a tick writes goes through `write`."""

    lane_id: int
    chain_id: int
    address: str
    role: str
    next_nonce: int
    held: str
    fence: int
    duration: timedelta
    clock: Clock

    @contextmanager
    def write(self) -> Iterator[CursorWrapper]:
        """Open a transaction that first proves and renews the lease under the lane's row lock; StaleFence when another
        worker took the lane: whatever this one concluded meanwhile is void.

        The row lock also keeps `reserve` from taking a nonce while the lane's slots are judged.
        """
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_RENEW, [self.clock.now() + self.duration, self.lane_id, self.fence])
            if cursor.rowcount != 1:
                raise StaleFence(f"lane {self.lane_id}")
            yield cursor

    def renew(self) -> None:
        """Prove and extend the lease before signing: bytes may only be made inside it."""
        with self.write():
            pass

    def hold(self, reason: str) -> None:
        """Record why nothing goes out, or "" when all is well."""
        reason = reason[:MAX_HELD_CHARS]
        if reason == self.held:
            return
        if reason.partition(":")[0] != self.held.partition(":")[0]:
            self._report(reason)
        with self.write() as cursor:
            cursor.execute(_HOLD, [reason, reason, self.clock.now(), self.lane_id, self.fence])

    def _report(self, reason: str) -> None:
        if reason:
            _log.warning("chain.lane_held", lane=self.lane_id, address=self.address, reason=reason, was=self.held)
        else:
            _log.info("chain.lane_resumed", lane=self.lane_id, address=self.address, was=self.held)

    def release(self) -> None:
        """Give the lane back; harmless when it was taken over."""
        with connection.cursor() as cursor:
            cursor.execute(_RELEASE, [self.lane_id, self.fence])


def take(*, lane_id: int, holder: str, duration: timedelta, clock: Clock) -> LaneLease | None:
    """Return the lease with the next fence, or None while somebody else holds it. The same holder may take it again: a
    worker that came back under its name must not wait for its own lease, and its older ticks are fenced off."""
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [holder, now + duration, lane_id, now, holder])
        row = cursor.fetchone()
    if row is None:
        return None
    fence, chain_id, address, role, next_nonce, held = row
    return LaneLease(lane_id, chain_id, address, role, next_nonce, held, fence, duration, clock)
