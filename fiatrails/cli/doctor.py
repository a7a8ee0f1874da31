"""`fiatrails doctor`: is everything here that the rail needs, and if not, what to do about it."""

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fiatrails.chains.core.rpc import Endpoint, NoAnswer, RpcFailed
from fiatrails.chains.evm.contracts.stablecoin import refuse_other_decimals
from fiatrails.chains.evm.signer import KeystoreSigner, load_signers
from fiatrails.kernel.clock import SystemClock
from fiatrails.kernel.conf import Config, config
from fiatrails.kernel.errors import FiatRailsError
from fiatrails.operations import deployments

_HTTP_TIMEOUT_SECONDS = 5.0
_MAX_SKEW_SECONDS = 30
# How `Context.rpc` says that there is none.
NO_RESULT = (NoAnswer, RpcFailed, ValueError)
_MIN_BALANCE_WEI = 10**17
_MIN_POSTGRES = 150_000
_DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
# `remote_*` and `local` wait for the disk too; only `off` loses an acknowledged commit.
_NOT_DURABLE = {"off"}


class Level(StrEnum):
    """How a check ended. Only FAIL makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One finding, and what to do next when it is not good."""

    name: str
    level: Level
    message: str
    next_step: str = ""


Findings = Iterator[CheckResult]
Check = Callable[["Context"], Findings]


@dataclass(frozen=True, slots=True)
class Context:
    """What the checks look at."""

    config: Config
    http: httpx.Client
    now: datetime

    def rpc(self, url: str, method: str, *parameters: object) -> str | dict[str, str]:
        """One JSON-RPC result; one of NO_RESULT when there is none."""
        with Endpoint(url, index=0, timeout_s=_HTTP_TIMEOUT_SECONDS) as endpoint:
            result: str | dict[str, str] | None = endpoint.call(method, *parameters)
        if result is None:
            raise ValueError(f"{method} has no result")
        return result


def run_checks(settings: Config, *, now: datetime, checks: Sequence[Check] | None = None) -> list[CheckResult]:
    """Run every check; one that breaks is a finding of its own and stops no other."""
    found: list[CheckResult] = []
    with httpx.Client(timeout=_HTTP_TIMEOUT_SECONDS) as http:
        context = Context(settings, http, now)
        for check in checks or ALL_CHECKS:
            try:
                found += check(context)
            except Exception as error:  # noqa: BLE001 - a doctor reports a broken check instead of dying of it
                name = check.__name__.removeprefix("check_").replace("_", " ")
                found.append(CheckResult(name, Level.FAIL, f"the check itself failed: {type(error).__name__}"))
    return found


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check configuration, database, chain, contracts, keys and clock; exit code 1 when something fails."""
    results = _configured_checks()
    if as_json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        Console().print(_table(results))
    sys.exit(1 if any(result.level is Level.FAIL for result in results) else 0)


def _configured_checks() -> list[CheckResult]:
    """Reading the configuration is the first check: without it there is nothing to ask the others about."""
    import django

    try:
        django.setup()
        settings = config()
    except FiatRailsError as error:
        return [CheckResult("configuration", Level.FAIL, error.message, "correct it and run the doctor again")]
    return run_checks(settings, now=SystemClock().now())


def _table(results: Sequence[CheckResult]) -> Table:
    colours = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red", Level.SKIP: "dim"}
    table = Table("check", "", "finding", "what to do", box=None)
    for result in results:
        level = f"[{colours[result.level]}]{result.level}[/]"
        table.add_row(result.name, level, escape(result.message), escape(result.next_step))
    return table


# ---- configuration


def check_configuration(context: Context) -> Findings:
    """The profile was read; placeholder secrets outside local were refused while reading it."""
    profile = context.config.profile
    countries = ", ".join(country.country_code for country in profile.countries)
    message = f"{context.config.env}: profile {profile.name}, chain {profile.chain_id}, countries {countries}"
    yield CheckResult("configuration", Level.OK, message)


def check_secrets(context: Context) -> Findings:
    """Somebody must be able to sign requests, and M-PESA to sign callbacks."""
    missing = [
        name
        for name, given in (
            ("HMAC_SECRET", context.config.client_secrets),
            ("MPESA_GATEWAY_SECRET", context.config.mpesa.gateway_secrets),
        )
        if not given
    ]
    if missing:
        names = ", ".join(missing)
        yield CheckResult("secrets", Level.FAIL, f"not set: {names}", "set each from `openssl rand -hex 32`")
    else:
        yield CheckResult("secrets", Level.OK, "request and callback secrets are set")


# ---- database


def check_database(_context: Context) -> Findings:
    """Reachable, recent, durable, migrated."""
    from django.db import Error, connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            version = int(cursor.fetchone()[0])
            cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(_DURABLE)])
            durability = dict(cursor.fetchall())
    except Error as error:
        yield CheckResult(
            "database", Level.FAIL, f"not reachable ({type(error).__name__})", "check DATABASE_URL and the server"
        )
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


# ---- chain


def check_rpc(context: Context) -> Findings:
    """Every endpoint answers and is on the right chain."""
    wanted = context.config.profile.chain_id
    for number, url in enumerate(context.config.profile.rpc_urls, start=1):
        name = f"rpc {number}"
        try:
            chain_id = int(str(context.rpc(url, "eth_chainId")), 16)
        except NO_RESULT as error:
            yield CheckResult(name, Level.FAIL, f"no answer ({error})", "check RPC_URL")
            continue
        if chain_id == wanted:
            yield CheckResult(name, Level.OK, f"chain {chain_id}")
        else:
            what = f"is on chain {chain_id}, the profile says {wanted}"
            yield CheckResult(name, Level.FAIL, what, "correct RPC_URL or CHAIN_ID")


def check_contracts(context: Context) -> Findings:
    """Code at every address, the implementation as recorded, nothing paused, every role granted."""
    settings = context.config
    try:
        signers = load_signers(settings.signers)
        deployed = deployments.load(settings.deployments_path, settings.profile.chain_id)
        status = deployments.status(
            rpc_url=settings.profile.rpc_urls[0],
            deployed=deployed,
            executors=[signer.address for signer in signers.executors],
            officer=signers.officer.address if signers.officer else None,
        )
    except FiatRailsError as error:
        yield CheckResult("contracts", Level.FAIL, error.message, "run `fiatrails contracts deploy`")
        return
    yield _code(status)
    yield _stablecoin(status)
    yield _implementation(status)
    yield from _paused(status)
    yield _roles(status)


def _code(status: deployments.DeploymentStatus) -> CheckResult:
    missing = [contract.name for contract in status.contracts if not contract.has_code]
    if missing:
        what = f"no code at the address of: {', '.join(missing)}"
        return CheckResult("contracts", Level.FAIL, what, "deploy, or correct FIATRAILS_DEPLOYMENTS")
    return CheckResult("contracts", Level.OK, f"{len(status.contracts)} contracts have code")


def _stablecoin(status: deployments.DeploymentStatus) -> CheckResult:
    try:
        refuse_other_decimals(status.deployed.stablecoin, status.stablecoin_decimals)
    except FiatRailsError as error:
        what, _, next_step = error.message.partition("; ")
        return CheckResult("stablecoin", Level.FAIL, what, next_step)
    return CheckResult("stablecoin", Level.OK, f"{status.stablecoin_decimals} decimals")


def _implementation(status: deployments.DeploymentStatus) -> CheckResult:
    recorded, found = status.deployed.manager_implementation, status.implementation_on_chain
    if found is None or found.lower() != recorded.lower():
        what = f"the manager runs {found}, recorded is {recorded}"
        return CheckResult("implementation", Level.WARN, what, "an upgrade or rollback was not recorded")
    return CheckResult("implementation", Level.OK, found)


def _paused(status: deployments.DeploymentStatus) -> Findings:
    for contract in status.contracts:
        if contract.paused:
            what = f"{contract.name} is paused: nothing is minted"
            yield CheckResult("paused", Level.WARN, what, f"`cast send {contract.address} 'unpause()'`")


def _roles(status: deployments.DeploymentStatus) -> CheckResult:
    missing = [f"{r.role} on {r.contract} for {r.account}" for r in status.roles if not r.granted]
    if missing:
        return CheckResult("roles", Level.FAIL, f"missing: {'; '.join(missing)}", "grant with the admin's key")
    return CheckResult("roles", Level.OK, f"{len(status.roles)} roles granted")


# ---- keys


def check_signers(context: Context) -> Findings:
    """The keystores can be read, their password is private, and each account can pay for gas."""
    signers = context.config.signers
    if not signers.keystores:
        yield CheckResult("signers", Level.FAIL, "no keystore", "set SIGNER_KEYSTORE")
        return
    yield _password_file(signers.password_file)
    officers = [signers.officer_keystore] if signers.officer_keystore else []
    for keystore in (*signers.keystores, *officers):
        yield _account(context, keystore)


def _password_file(path: Path | None) -> CheckResult:
    if path is None or not os.access(path, os.R_OK):
        return CheckResult(
            "keystore password", Level.FAIL, "cannot be read", "set SIGNER_KEYSTORE_PASSWORD_FILE to its path"
        )
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return CheckResult("keystore password", Level.WARN, f"{path} is open to others", f"chmod 600 {path}")
    return CheckResult("keystore password", Level.OK, "readable, private")


def _balance(context: Context, address: str) -> CheckResult:
    try:
        answer = context.rpc(context.config.profile.rpc_urls[0], "eth_getBalance", address, "latest")
    except NO_RESULT:
        return CheckResult("balance", Level.FAIL, f"{address}: the chain did not answer", "check RPC_URL")
    ether = int(str(answer), 16) / 10**18
    if int(str(answer), 16) < _MIN_BALANCE_WEI:
        return CheckResult("balance", Level.FAIL, f"{address} holds {ether:.4f}", "send it gas money")
    return CheckResult("balance", Level.OK, f"{address} holds {ether:.2f}")


def _account(context: Context, keystore: Path) -> CheckResult:
    """A keystore need not name its address (`cast wallet new` does not write it): then it has to open."""
    try:
        address = KeystoreSigner(keystore, context.config.signers.password_file).address
    except FiatRailsError as error:
        what, _, next_step = error.message.partition("; ")
        return CheckResult("keystore", Level.FAIL, what, next_step or "make it anew, or correct SIGNER_KEYSTORE")
    return _balance(context, address)


# ---- surroundings


def check_sandbox(context: Context) -> Findings:
    """On one machine the M-PESA simulator stands in for the provider."""
    if context.config.env != "local" or not context.config.mpesa.base_url:
        yield CheckResult("mpesa sandbox", Level.SKIP, "only checked in local mode")
        return
    try:
        context.http.get(f"{context.config.mpesa.base_url}/_sandbox/health").raise_for_status()
    except httpx.HTTPError as error:
        yield CheckResult("mpesa sandbox", Level.FAIL, f"no answer ({type(error).__name__})", "run `make up`")
    else:
        yield CheckResult("mpesa sandbox", Level.OK, context.config.mpesa.base_url)


def check_clock(context: Context) -> Findings:
    """Signatures and callbacks are refused when this clock is wrong, so it is compared with two others."""
    block = context.rpc(context.config.profile.rpc_urls[0], "eth_getBlockByNumber", "latest", False)
    if isinstance(block, dict):
        seen = datetime.fromtimestamp(int(block["timestamp"], 16), UTC)
        # An idle chain without interval mining has an old head; only a head from the future proves a wrong clock.
        yield _skew("clock, chain head", max(0.0, (seen - context.now).total_seconds()))
    if context.config.mpesa.base_url:
        dated = context.http.get(context.config.mpesa.base_url).headers.get("date")
        if dated:
            seconds = abs((parsedate_to_datetime(dated) - context.now).total_seconds())
            yield _skew("clock, M-PESA", seconds)


def _skew(name: str, seconds: float) -> CheckResult:
    if seconds > _MAX_SKEW_SECONDS:
        return CheckResult(name, Level.FAIL, f"differs by {seconds:.0f} s", "synchronise the clock (NTP)")
    return CheckResult(name, Level.OK, f"within {_MAX_SKEW_SECONDS} s")


def check_redis(context: Context) -> Findings:
    """Only where Redis is configured: PostgreSQL alone is enough."""
    url = context.config.redis_url
    if not url:
        yield CheckResult("redis", Level.SKIP, "not configured; PostgreSQL dispatches")
        return
    import redis

    try:
        redis.Redis.from_url(url, socket_timeout=_HTTP_TIMEOUT_SECONDS).ping()
    except redis.RedisError as error:
        yield CheckResult("redis", Level.FAIL, f"no answer ({type(error).__name__})", "check REDIS_URL")
    else:
        yield CheckResult("redis", Level.OK, "answers")


ALL_CHECKS: tuple[Check, ...] = (
    check_configuration,
    check_secrets,
    check_database,
    check_rpc,
    check_contracts,
    check_signers,
    check_sandbox,
    check_clock,
    check_redis,
)
