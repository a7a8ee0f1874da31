"""The providers that are asked, and the simulators that stand in for them on one machine."""

from __future__ import annotations

import httpx

from fiatrails.operations.doctor.checks import CheckResult, Context, Findings, Level
from fiatrails.providers.mpesa.config import mpesa_config


def check_sandbox(context: Context) -> Findings:
    """Check the M-PESA simulator, which stands in for the provider on one machine."""
    base_url = mpesa_config(context.config).base_url
    if context.config.env != "local" or not base_url:
        yield CheckResult("mpesa sandbox", Level.SKIP, "only checked in local mode")
        return
    try:
        context.http.get(f"{base_url}/_sandbox/health").raise_for_status()
    except httpx.HTTPError as error:
        yield CheckResult("mpesa sandbox", Level.FAIL, f"no answer ({type(error).__name__})", "run `make up`")
    else:
        yield CheckResult("mpesa sandbox", Level.OK, base_url)
