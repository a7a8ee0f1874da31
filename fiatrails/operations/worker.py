"""The worker: every loop that moves money, in one process. Any number of them may run; rows decide who does what."""

from __future__ import annotations

import os
import socket
import threading
from functools import lru_cache

import structlog
from django.db import Error as DatabaseError

from fiatrails.chains.evm.pool import default_pool
from fiatrails.chains.evm.signer import Signers, load_signers
from fiatrails.chains.evm.submitter import lanes
from fiatrails.engine.database_clock import DatabaseClock
from fiatrails.engine.loop import Loop, run_all
from fiatrails.engine.periodic import run_due
from fiatrails.engine.wakeup import Listener
from fiatrails.kernel import statements
from fiatrails.kernel.clock import Clock
from fiatrails.kernel.conf import config
from fiatrails.operations.jobs import jobs
from fiatrails.providers.core.provider import Provider, providers
from fiatrails.purchases.outcomes import collect_outcomes
from fiatrails.purchases.payments.charges import report_ended
from fiatrails.purchases.payments.counting import PURCHASES
from fiatrails.purchases.payments.late_returns import settle_late
from fiatrails.purchases.payments.surplus import settle_returns
from fiatrails.purchases.queues import PurchaseTools, advance_due

log = structlog.get_logger(__name__)
SWEEP_S = 0.5
LANE_SWEEP_S = 0.2
JOB_SWEEP_S = 5.0


def advance_pass(*, clock: Clock) -> int:
    """Make one pass over everything but the chain lanes; return the amount of work done."""
    tools = PurchaseTools(clock=clock, pool=default_pool())
    return collect_outcomes(now=clock.now()) + advance_due(tools=tools)


def provider_pass(*, clock: Clock) -> int:
    """Confirm untrusted events, drive requests to providers, and take over what they answered; returns the amount of
    work done."""
    return sum(_run_provider(provider, clock) for provider in providers()) + _apply_answers(clock)


def _run_provider(provider: Provider, clock: Clock) -> int:
    """One provider's failure does not stop the others."""
    try:
        return provider.work(clock=clock, purchases=PURCHASES)
    except DatabaseError:
        raise
    except Exception:
        log.exception("provider.failed", provider=provider.name)
        return 0


def _apply_answers(clock: Clock) -> int:
    """Apply what the provider's answers mean for intents and money."""
    now = clock.now()
    return report_ended(now=now) + settle_returns(now=now) + settle_late(now=now)


def lane_pass(*, clock: Clock, holder: str) -> int:
    """Make one tick of every signer lane; return how many of them moved something."""
    pool, keys = default_pool(), signers()
    lanes.ensure_lanes(signers=keys, pool=pool, now=clock.now())
    reports = lanes.run_lanes(clock=clock, pool=pool, signers=keys, holder=holder)
    return sum(report.progressed for report in reports)


@lru_cache(maxsize=1)
def signers() -> Signers:
    """Return the process's signers."""
    # Once per process: unlocking a keystore takes a second of deliberate work.
    return load_signers(config().signers)


def drain(*, clock: Clock, max_passes: int = 50) -> int:
    """Make passes until nothing is due or `max_passes` were made: what a Celery hint starts."""
    holder = f"{socket.gethostname()}:{os.getpid()}/celery"
    total = 0
    for _ in range(max_passes):
        # Lanes first: the first pass of a deployment makes them, and nothing can be submitted without one.
        done = lane_pass(clock=clock, holder=holder) + advance_pass(clock=clock)
        total += done
        if not done:
            break
    return total


def run(*, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop` is set; finish the step in hand, so stopping loses nothing. `clock` is the machine's: what the
    loops are given is the database's time, so that all workers judge leases alike."""
    holder = f"{socket.gethostname()}:{os.getpid()}"
    loops = loops_of(holder, clock=DatabaseClock(clock))
    wakes = [threading.Event() for _ in loops]
    listener = Listener(wakes)
    listener.start()
    log.info("worker.started", holder=holder)
    threading.Thread(target=_wake_on_stop, args=(stop, wakes), daemon=True).start()
    run_all(loops, stop=stop, wakes=wakes)
    listener.stop()
    log.info("worker.stopped", holder=holder)


def loops_of(holder: str, *, clock: Clock) -> list[Loop]:
    """Return a worker's loops; each beats under its name and the holder's (`heartbeat.WORKER_LOOPS`)."""
    return [
        Loop(f"advance@{holder}", lambda: advance_pass(clock=clock), SWEEP_S, clock),
        Loop(f"lanes@{holder}", lambda: lane_pass(clock=clock, holder=holder), LANE_SWEEP_S, clock),
        Loop(f"providers@{holder}", lambda: provider_pass(clock=clock), SWEEP_S, clock),
        Loop(f"jobs@{holder}", lambda: run_due(jobs(), clock=clock) and 0, JOB_SWEEP_S, clock, statements.JOB_S),
    ]


def _wake_on_stop(stop: threading.Event, wakes: list[threading.Event]) -> None:
    stop.wait()
    for wake in wakes:
        wake.set()
