"""Run the checks and collect what they find; a check that raises is a finding of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import httpx

from fiatrails.kernel.conf import Config
from fiatrails.kernel.errors import FiatRailsError
from fiatrails.operations.doctor import chain, clock, configuration, database, funds, holds, keys, prices, providers
from fiatrails.operations.doctor.checks import HTTP_TIMEOUT_S, CheckResult, Context, DeploymentCheck, Level

# In the order in which a deployment is set up: what comes first is to be corrected first.
CHECKS = (
    DeploymentCheck("configuration", configuration.check_profile),
    DeploymentCheck("secrets", configuration.check_secrets),
    DeploymentCheck("database", database.check_postgres),
    DeploymentCheck("rpc", chain.check_rpc),
    DeploymentCheck("contracts", chain.check_contracts),
    DeploymentCheck("funds", funds.check_funds),
    DeploymentCheck("signers", keys.check_signers),
    DeploymentCheck("holds", holds.check_holds),
    DeploymentCheck("prices", prices.check_prices),
    DeploymentCheck("sandbox", providers.check_sandbox),
    DeploymentCheck("clock", clock.check_clock),
    DeploymentCheck("redis", database.check_redis),
)


def run_checks(settings: Config, *, now: datetime, checks: Sequence[DeploymentCheck] = CHECKS) -> list[CheckResult]:
    """Run every check; one that breaks is a finding of its own and stops no other."""
    found: list[CheckResult] = []
    with httpx.Client(timeout=HTTP_TIMEOUT_S) as http:
        context = Context(settings, http, now)
        for check in checks:
            try:
                found += check.run(context)
            except Exception as error:  # noqa: BLE001 - a doctor reports a broken check instead of dying of it
                message = f"the check itself failed: {type(error).__name__}"
                found.append(CheckResult(check.name, Level.FAIL, message))
    return found


def unreadable(error: FiatRailsError) -> CheckResult:
    """Return the only finding where the configuration cannot be read: nothing else can be asked then."""
    return CheckResult("configuration", Level.FAIL, error.message, "correct it and run the doctor again")
