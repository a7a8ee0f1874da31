"""GET /health: 503 only when a payment could not be taken durably; everything else degrades."""

from __future__ import annotations

import os
import time
from typing import Annotated, Literal

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from pydantic import Field

from fiatrails.api.clock import CLOCK
from fiatrails.api.open import checks
from fiatrails.api.open.probe import Probe
from fiatrails.api.plain import json_response, require_method
from fiatrails.api.shapes import Shape
from fiatrails.chains.core.holds import ChainHold, HoldReason
from fiatrails.controls import modes
from fiatrails.kernel.clock import isoformat

DEADLINE_S = 2.0
_PROBES = {
    "database": Probe("database", checks.database, fresh_for_s=0.5),
    "redis": Probe("redis", checks.message_broker, fresh_for_s=2),
    "rpc": Probe("rpc", checks.rpc, fresh_for_s=2),
    "worker": Probe("worker", checks.worker, fresh_for_s=2),
    "clock": Probe("clock", checks.clock, fresh_for_s=5),
    "prices": Probe("prices", checks.prices, fresh_for_s=2),
    "mints": Probe("mints", checks.mints, fresh_for_s=1),
}


class RpcHealth(Shape):
    """Whether the chain answers, and how fast."""

    connected: bool
    latency_ms: Annotated[float | None, Field(alias="latency_ms")]


class HeldMints(Shape):
    """A lane (`role` executor or officer) or a country from which nothing is minted, and why."""

    chain: str
    address: Annotated[str, Field(description="The lane's address; the country code where `role` is country")]
    role: str
    reason: Annotated[str, Field(json_schema_extra={"enum": [reason.value for reason in HoldReason]})]
    since: Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Health(Shape):
    """What can be done, and what is not well."""

    status: Literal["healthy", "degraded"]
    rpc: RpcHealth
    queue_depth: Annotated[
        int | None, Field(alias="queue_depth", description="Payments taken and not yet final on chain")
    ]
    checks: dict[str, Annotated[str, Field(json_schema_extra={"enum": ["healthy", "unhealthy", "disabled"]})]]
    reasons: Annotated[
        dict[str, str], Field(description="Why a check is unhealthy: a stable word, and after a colon what it is about")
    ]
    modes: Annotated[list[str], Field(description="Modes in force; none is normal")]
    held: Annotated[list[HeldMints], Field(description="What holds mints back; `fiatrails doctor` says what to do")]


@require_method("GET")
def health(_request: HttpRequest) -> HttpResponse:
    """Run all checks at once, two seconds at most, and answer what they found."""
    deadline = time.monotonic() + DEADLINE_S
    for probe in _PROBES.values():
        probe.start()
    found = {name: probe.result(deadline=deadline) for name, probe in _PROBES.items()}
    in_force = _modes(database_up=found["database"].state == "healthy")
    well = all(result.state != "unhealthy" for result in found.values()) and not in_force
    body = Health(
        status="healthy" if well else "degraded",
        rpc=RpcHealth(connected=found["rpc"].state == "healthy", latency_ms=found["rpc"].latency_ms),
        queue_depth=found["database"].value,
        checks={name: result.state for name, result in found.items()},
        reasons={name: result.reason for name, result in found.items() if result.reason},
        modes=in_force,
        held=[_held(hold) for hold in found["mints"].held],
    )
    return json_response(body, 200 if found["database"].state == "healthy" else 503)


def _held(hold: ChainHold) -> HeldMints:
    """Return the reason without its text, which names accounts and sums: anybody may ask."""
    return HeldMints(
        chain=hold.chain, address=hold.address, role=hold.role, reason=hold.reason.value, since=isoformat(hold.since)
    )


def _modes(*, database_up: bool) -> list[str]:
    """Modes in force, with what they are for; without the database those that the environment switches on."""
    if not database_up:
        return sorted(modes.from_environment(os.environ))
    try:
        return sorted(map(str, modes.switched_on(now=CLOCK.now())))
    except DatabaseError:
        return []
