"""What `/health` looks at. Each may hang or raise; `Probe` bounds it."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection

from fiatrails.api.clock import CLOCK
from fiatrails.api.open.probe import ProbeResult
from fiatrails.chains.evm.pool import default_pool
from fiatrails.engine import heartbeat
from fiatrails.kernel.conf import config
from fiatrails.purchases import prices as pricing
from fiatrails.purchases import waiting
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.states import State

HEALTHY, UNHEALTHY, DISABLED = ProbeResult("healthy"), ProbeResult("unhealthy"), ProbeResult("disabled")
# Loops beat every 5 s.
WORKER_SILENT_AFTER = timedelta(seconds=20)
_QUEUED = (State.PAID, State.CLEARED, State.SUBMITTING, State.MINED)
# Counting further tells nobody more.
_MAX_COUNTED = 100_000


def database() -> ProbeResult:
    """Check that the database is reachable and writable: a standby answers reads and could not keep a payment."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 2000")
        cursor.execute("SELECT current_setting('transaction_read_only')")
        (read_only,) = cursor.fetchone()
    return UNHEALTHY if read_only == "on" else ProbeResult("healthy", value=queue_depth())


def queue_depth() -> int:
    """Return the number of payments taken and not yet final on chain."""
    return Purchase.objects.filter(state__in=[state.value for state in _QUEUED])[:_MAX_COUNTED].count()


def rpc() -> ProbeResult:
    """Check the configured endpoints, by the same pool that mints."""
    default_pool().call("eth_blockNumber")
    return HEALTHY


def worker() -> ProbeResult:
    """Check that some worker loop has recorded a heartbeat lately."""
    last = heartbeat.latest()
    return HEALTHY if last is not None and CLOCK.now() - last <= WORKER_SILENT_AFTER else UNHEALTHY


def prices() -> ProbeResult:
    """Check that every country has a price in force, where a feed says one."""
    if not pricing.feeds():
        return DISABLED
    return UNHEALTHY if any(each.refused for each in pricing.standings(now=CLOCK.now())) else HEALTHY


def mints() -> ProbeResult:
    """Check that mints go out: no lane and no country holds, and nobody who paid waits for coins."""
    held = tuple(waiting.holds(now=CLOCK.now()))
    return ProbeResult("unhealthy" if held else "healthy", held=held)


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
