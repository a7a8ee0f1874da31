"""The configuration: the profile, and the secrets that it needs."""

from __future__ import annotations

from fiatrails.operations.doctor.checks import CheckResult, Context, Findings, Level
from fiatrails.providers.mpesa.config import mpesa_config


def check_profile(context: Context) -> Findings:
    """Name the profile. It was read by now, and placeholder secrets outside local were refused while reading it."""
    profile = context.config.profile
    countries = ", ".join(country.country_code for country in profile.countries)
    message = f"{context.config.env}: profile {profile.name}, chain {profile.chain_id}, countries {countries}"
    yield CheckResult("configuration", Level.OK, message)


def check_secrets(context: Context) -> Findings:
    """Check the secrets: somebody must be able to sign requests, and M-PESA to sign callbacks."""
    missing = [
        name
        for name, given in (
            ("HMAC_SECRET", context.config.client_secrets),
            ("MPESA_GATEWAY_SECRET", mpesa_config(context.config).gateway_secrets),
        )
        if not given
    ]
    if missing:
        names = ", ".join(missing)
        yield CheckResult("secrets", Level.FAIL, f"not set: {names}", "set each from `openssl rand -hex 32`")
    else:
        yield CheckResult("secrets", Level.OK, "request and callback secrets are set")
