"""Prometheus metrics of the whole product; their names are a public contract (dashboards, alerts, the runbook).

Counters are created at zero for every label value known beforehand, so that `rate()` sees the first event. With
PROMETHEUS_MULTIPROC_DIR set, counters of all processes add up and the gauge shows the latest value that anyone set.
"""

from __future__ import annotations

import os
import socket

from prometheus_client import Counter, Gauge, Histogram, values


def process_name(host: str, pid: int) -> str:
    """Return what a process calls its files in the shared directory: containers have pids of their own, and the same
    ones. No underscore: the collector splits names there."""
    return f"{host.replace('_', '-')}-{pid}"


if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # Before the first metric is made: each of them takes the class that is there.
    values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]
        lambda: process_name(socket.gethostname(), os.getpid())
    )

# Why a node did not do what it is for. `rate_limited` also when the limit is told inside a JSON-RPC error.
RPC_CAUSES = ("transport", "timeout", "http_status", "unreadable", "malformed", "rate_limited", "json_rpc")

# Requests and errors carry the same label, so that the one can be divided by the other.
rpc_requests = Counter("fiatrails_rpc_requests_total", "JSON-RPC calls", ["method"])
rpc_errors = Counter("fiatrails_rpc_errors_total", "JSON-RPC calls that the node failed to answer", ["method"])
rpc_failures = Counter("fiatrails_rpc_failures_total", "The errors by cause", ["method", "cause"])
rpc_duration = Histogram(
    "fiatrails_rpc_duration_seconds",
    "Seconds of one HTTP exchange, a batch counted under its first method",
    ["method"],
    # The runbook asks for 2 and 3 s.
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10),
)
mint_intents = Counter("fiatrails_mint_intents_total", "Mint intents by how they ended, each counted once", ["status"])
callbacks = Counter("fiatrails_callbacks_total", "Provider callbacks by what became of them", ["source", "status"])
unfinished_requests = Counter(
    "fiatrails_unfinished_requests_total", "Connections closed because a request did not arrive in time"
)
dlq_depth = Gauge("fiatrails_dlq_depth", "Dead letters waiting for an operator", multiprocess_mode="mostrecent")
retry_attempts = Counter("fiatrails_retry_attempts_total", "Repeated attempts", ["operation"])
compliance_checks = Counter("fiatrails_compliance_checks_total", "Compliance decisions", ["result"])
hmac_verifications = Counter(
    "fiatrails_hmac_verifications_total", "Signature checks by key and result", ["key", "result"]
)
geo_refusals = Counter("fiatrails_geo_refusals_total", "Requests refused for where they come from", ["code"])
velocity_refusals = Counter(
    "fiatrails_velocity_refusals_total",
    "Intents beyond a velocity limit, by scope and what became of them",
    ["scope", "action"],
)

# Each intent is counted once, when it ends, so that executed over all of them is the success rate.
INTENT_STATUSES = ("executed", "refunded", "failed")
OPERATIONS = (
    "expireIntent",
    "checkCompliance",
    "executeMint",
    "refundPayment",
    "compliance_update",
    "provider_call",
    "broadcast",
    "bump",
)
GEO_CODES = ("country_denied", "country_not_allowed", "country_unknown", "address_invalid")
VELOCITY_SCOPES = ("payer", "phone", "wallet", "card", "country")


def expect_rpc_methods(*methods: str) -> None:
    """Create the counters of JSON-RPC methods at zero: each chain knows its own."""
    for method in methods:
        rpc_duration.labels(method)
        rpc_requests.labels(method)
        rpc_errors.labels(method)
        for cause in RPC_CAUSES:
            rpc_failures.labels(method, cause)


def count_rpc_failure(method: str, cause: str) -> None:
    """Count a call that was asked and that the node failed to answer."""
    rpc_errors.labels(method).inc()
    rpc_failures.labels(method, cause).inc()


def _initialise() -> None:
    for status in INTENT_STATUSES:
        mint_intents.labels(status)
    for status in ("accepted", "duplicate", "rejected", "unmatched", "failed"):
        callbacks.labels("mpesa", status)
    for operation in OPERATIONS:
        retry_attempts.labels(operation)
    for result in ("cleared", "refused", "unknown"):
        compliance_checks.labels(result)
    for key in ("current", "new"):
        hmac_verifications.labels(key, "valid")
    hmac_verifications.labels("none", "invalid")
    for code in GEO_CODES:
        geo_refusals.labels(code)
    for scope in VELOCITY_SCOPES:
        for action in ("hold", "refuse"):
            velocity_refusals.labels(scope, action)


_initialise()
