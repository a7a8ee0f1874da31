"""The stores: PostgreSQL, and Redis where it is configured."""

from __future__ import annotations

from fiatrails.engine.postgres.errors import explain
from fiatrails.operations.doctor.checks import HTTP_TIMEOUT_S, CheckResult, Context, Findings, Level

_MIN_POSTGRES = 150_000
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
# `remote_*` and `local` wait for the disk too; only `off` loses an acknowledged commit.
_NOT_DURABLE = {"off"}


def check_postgres(_context: Context) -> Findings:
    """Check that PostgreSQL is reachable, recent, durable and migrated."""
    from django.db import Error, connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            version = int(cursor.fetchone()[0])
            cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(_DURABLE)])
            durability = dict(cursor.fetchall())
    except Error as error:
        found = explain(error)
        yield CheckResult("database", Level.FAIL, found.said, found.advice)
        return
    yield _version(version)
    yield _durability(durability)
    yield _migrations()


def _version(version: int) -> CheckResult:
    if version < _MIN_POSTGRES:
        return CheckResult("database", Level.FAIL, f"PostgreSQL {version // 10_000}", "upgrade to 15 or later")
    return CheckResult("database", Level.OK, f"PostgreSQL {version // 10_000}.{version % 10_000}")


def _durability(settings: dict[str, str]) -> CheckResult:
    unsafe = [name for name, value in settings.items() if value in _NOT_DURABLE]
    if unsafe:
        return CheckResult(
            "database durability",
            Level.FAIL,
            f"off: {', '.join(sorted(unsafe))}; an acknowledged payment can be lost",
            "turn them on in postgresql.conf and reload",
        )
    return CheckResult("database durability", Level.OK, "fsync, synchronous_commit, full_page_writes are on")


def _migrations() -> CheckResult:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        names = ", ".join(str(migration) for migration, _ in waiting[:3])
        return CheckResult(
            "migrations", Level.FAIL, f"{len(waiting)} not applied: {names}", "run `python -m django migrate`"
        )
    return CheckResult("migrations", Level.OK, "all applied")


def check_redis(context: Context) -> Findings:
    """Check Redis where it is configured: PostgreSQL alone is enough."""
    url = context.config.redis_url
    if not url:
        yield CheckResult("redis", Level.SKIP, "not configured; PostgreSQL dispatches")
        return
    import redis

    try:
        redis.Redis.from_url(url, socket_timeout=HTTP_TIMEOUT_S).ping()
    except redis.RedisError as error:
        yield CheckResult("redis", Level.FAIL, f"no answer ({type(error).__name__})", "check REDIS_URL")
    else:
        yield CheckResult("redis", Level.OK, "answers")
