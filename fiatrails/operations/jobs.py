"""The periodic jobs: names, periods, and what they do."""

from __future__ import annotations

from fiatrails.chains.evm.pool import default_pool
from fiatrails.compliance.sanctions import rescreening, suspensions
from fiatrails.compliance.sanctions.checks import watch as watch_lists
from fiatrails.compliance.velocity import store as velocity
from fiatrails.engine import dead_letters, heartbeat, periodic
from fiatrails.engine.periodic import Job
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import profile
from fiatrails.ledger.verify import verify
from fiatrails.operations import endpoints, holds, supply
from fiatrails.operations.replay import retry_temporary
from fiatrails.purchases import prices
from fiatrails.purchases.payments import backing
from fiatrails.purchases.payments.unmatched import alarm_unmatched
from fiatrails.screening.lists.refresh import run_job as refresh_lists


def jobs() -> list[Job]:
    """Return every job of a worker."""
    return [
        Job("dlq.retry", 600, lambda clock: f"{retry_temporary(now=clock.now())} replayed"),
        Job("dlq.mirror", 60, lambda _: _mirror()),
        Job("purchases.not_in_books", 60, lambda clock: f"{backing.clear_alarms(now=clock.now())} alarms ended"),
        Job("payments.alarm_unmatched", 60, lambda clock: f"{alarm_unmatched(clock=clock)} alarmed"),
        Job("rpc.watch", 60, endpoints.watch),
        Job("mints.watch", 10, holds.watch),
        Job("prices.read", prices.READ_EVERY_S, _read_prices),
        Job("ledger.verify", 3600, _verify_ledger),
        Job("supply.read", 60, supply.read_job),
        Job("supply.compare", 600, supply.compare_job),
        Job("screening.refresh_lists", 21_600, refresh_lists),
        Job("screening.rescreen", 30, rescreening.run_job),
        Job("screening.suspend", 10, suspensions.run_job),
        Job("screening.watch", 60, watch_lists),
        Job("engine.forget", 86_400, _forget),
        *periodic.registered(),
    ]


def _read_prices(clock: Clock) -> str:
    return f"{prices.read_feeds(pool=default_pool(), now=clock.now())} taken" if prices.feeds() else "no feed"


def _mirror() -> str:
    dead_letters.synchronise_mirror()
    return "mirrored"


def _verify_ledger(clock: Clock) -> str:
    result = verify()
    if not result.ok:
        dead_letters.add(
            operation="verifyLedger",
            subject="",
            attempts=1,
            last_error="; ".join(result.problems)[:500],
            error_class="permanent",
            payload={},
            now=clock.now(),
        )
    return "ok" if result.ok else "broken"


def _forget(clock: Clock) -> str:
    now = clock.now()
    while velocity.prune(profile().velocity, now=now) == velocity.PRUNED_AT_ONCE:
        pass
    return f"{heartbeat.forget_old(now=now)} heartbeats, {periodic.forget_old(now=now)} runs"
