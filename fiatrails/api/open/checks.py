"""What `/health` looks at. Each may hang or raise; `Probe` bounds it."""

from __future__ import annotations

import time
from collections.abc import Callable

from fiatrails.api.clock import CLOCK
from fiatrails.api.open.probe import ProbeResult
from fiatrails.chains.evm.pool import default_pool
from fiatrails.engine import database_clock, heartbeat, write_trial
from fiatrails.kernel.conf import config, profile
from fiatrails.purchases import prices as pricing
from fiatrails.purchases import waiting
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.states import State

HEALTHY, DISABLED = ProbeResult("healthy"), ProbeResult("disabled")
# A head that stays for a minute, and for as long as twenty blocks take, is no head of a living chain.
HEAD_STILL_S = 60.0
HEAD_BLOCKS = 20
CLOCK_DIFFERS_S = 30.0
_QUEUED = (State.PAID, State.CLEARED, State.SUBMITTING, State.MINED)
# Counting further tells nobody more.
_MAX_COUNTED = 100_000


def database() -> ProbeResult:
    """Check that a payment could be kept: something is written, and committed."""
    write_trial.try_write(now=CLOCK.now())
    return ProbeResult("healthy", value=queue_depth())


def clock() -> ProbeResult:
    """Compare this machine's clock with the database's: signatures are refused, and work is due late, when it is wrong.
    Workers keep the database's time."""
    differs_s = abs((database_clock.read() - CLOCK.now()).total_seconds())
    return (
        ProbeResult("unhealthy", reason=f"clock_differs: {differs_s:.0f} s") if differs_s > CLOCK_DIFFERS_S else HEALTHY
    )


def queue_depth() -> int:
    """Return the number of payments taken and not yet final on chain."""
    return Purchase.objects.filter(state__in=[state.value for state in _QUEUED])[:_MAX_COUNTED].count()


class HeadWatch:
    """Remembers when the head of the chain was last seen to move, in this process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._head: int | None = None
        self._moved_at = 0.0

    def stands_still_s(self, head: int) -> float:
        """Return for how many seconds the head has been this one."""
        at = self._monotonic()
        if head != self._head:
            self._head, self._moved_at = head, at
        return at - self._moved_at


_HEAD = HeadWatch()


def rpc() -> ProbeResult:
    """Check that the head moves on our chain, by the pool that mints: it refuses another chain's endpoints and answers
    of another shape."""
    still_s = _HEAD.stands_still_s(int(default_pool().call("eth_blockNumber"), 16))
    blocks_s = HEAD_BLOCKS * profile().evm.block_time_ms / 1000
    if still_s > max(HEAD_STILL_S, blocks_s):
        return ProbeResult("unhealthy", reason=f"head_stands_still: {still_s:.0f} s")
    return HEALTHY


def worker() -> ProbeResult:
    """Check that each of the worker's loops has recorded a heartbeat lately, in whichever worker."""
    silent = heartbeat.silent_loops(now=CLOCK.now())
    return ProbeResult("unhealthy", reason=f"loops_silent: {', '.join(silent)}") if silent else HEALTHY


def prices() -> ProbeResult:
    """Check that every country has a price in force, where a feed says one."""
    if not pricing.feeds():
        return DISABLED
    refused = any(each.refused for each in pricing.standings(now=CLOCK.now()))
    return ProbeResult("unhealthy", reason="no_price") if refused else HEALTHY


def mints() -> ProbeResult:
    """Check that mints go out: no lane and no country holds, and nobody who paid waits for coins."""
    held = tuple(waiting.holds(now=CLOCK.now()))
    reason = ", ".join(sorted({hold.reason.value for hold in held}))
    return ProbeResult("unhealthy" if held else "healthy", held=held, reason=reason)


def message_broker() -> ProbeResult:
    """Check Redis where it is configured; it carries hints only."""
    url = config().redis_url
    if not url:
        return DISABLED
    # Half a second of imports that a deployment without Redis need not wait for.
    import redis

    with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        client.ping()
    return HEALTHY
