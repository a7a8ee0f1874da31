"""A worker's own /metrics, for workers that share no directory of counters with the API: containers, other hosts."""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from fiatrails.kernel.errors import Misconfigured

# Read from the database by the API when it is scraped. A worker never sets it and would say zero.
_SET_BY_THE_API = "fiatrails_dlq_depth"


class _Counters(Collector):
    """What this process counted, or all that share PROMETHEUS_MULTIPROC_DIR with it."""

    def __init__(self) -> None:
        shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._source: Collector = MultiProcessCollector(None) if shared else REGISTRY  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        return (metric for metric in self._source.collect() if metric.name != _SET_BY_THE_API)


def serve_metrics(*, host: str, port: int) -> None:
    """Answer GET /metrics on a thread that ends with the process; Misconfigured when it cannot listen."""
    registry = CollectorRegistry()
    registry.register(_Counters())
    try:
        start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:
        raise Misconfigured(
            "metrics_port", f"cannot listen on {host}:{port} ({type(error).__name__}); correct METRICS_PORT"
        ) from None
