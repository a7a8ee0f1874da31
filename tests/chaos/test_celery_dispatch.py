"""Celery through a real Redis carries the same hint; losing all of it costs latency only."""

from __future__ import annotations

import pytest
import redis

from fiatrails.local.process import ManagedProcess
from fiatrails.local.redis import EmbeddedRedis
from tests.chaos.conftest import RailFactory
from tests.kit.rail import BIN, ROOT, Rail, compliant_users
from tests.kit.services import DeployedChain

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


def start_celery(rail: Rail) -> ManagedProcess:
    command = [BIN / "celery", "-A", "fiatrails.config.celery", "worker", "--pool", "solo", "--loglevel", "info"]
    process = ManagedProcess(
        "celery",
        [str(part) for part in command],
        log_path=rail.directory / "celery.log",
        env=rail.environment,
        cwd=ROOT,
    )
    process.start()
    process.wait_ready(lambda: "ready." in process.log_tail(60), timeout_seconds=60)
    rail.processes.append(process)
    return process


def celery_environment(server: EmbeddedRedis) -> dict[str, str]:
    return {"FIATRAILS_DISPATCH": "celery", "REDIS_URL": server.url}


def test_a_hint_through_redis_makes_a_celery_worker_submit_the_mint(
    rail_factory: RailFactory, own_chain: DeployedChain, redis_server: EmbeddedRedis
) -> None:
    rail = rail_factory(extra_env=celery_environment(redis_server))
    rail.start_api()
    start_celery(rail)
    [user] = compliant_users(own_chain, 1)
    rail.order_and_pay(["CELERY-1"], [user])
    submitted = {"submitting", "mined", "executed"}
    rail.wait_for(lambda: bool(set(rail.states()) & submitted), seconds=30, what="submitted by Celery alone")
    rail.start_worker()
    rail.wait_executed(1, seconds=30)
    rail.require_invariants(minted=1)


def test_a_flushed_redis_costs_latency_only(
    rail_factory: RailFactory, own_chain: DeployedChain, redis_server: EmbeddedRedis
) -> None:
    rail = rail_factory(extra_env=celery_environment(redis_server))
    rail.start_api()
    celery = start_celery(rail)
    users = compliant_users(own_chain, 3)
    celery.kill()
    rail.order_and_pay([f"FLUSH-{n}" for n in range(10)], users)
    redis.Redis.from_url(redis_server.url).flushall()
    rail.start_worker()
    rail.wait_executed(10, seconds=60)
    rail.require_invariants(minted=10)


def test_payments_are_taken_and_minted_while_redis_is_down(rail_factory: RailFactory, own_chain: DeployedChain) -> None:
    rail = rail_factory(extra_env={"FIATRAILS_DISPATCH": "celery", "REDIS_URL": "redis://127.0.0.1:1/0"})
    rail.start_api()
    rail.start_worker()
    rail.order_and_pay([f"NOREDIS-{n}" for n in range(5)], compliant_users(own_chain, 2))
    rail.wait_executed(5, seconds=60)
    rail.require_invariants(minted=5)
