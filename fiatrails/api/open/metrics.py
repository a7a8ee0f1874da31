"""GET /metrics: the counters of all processes, and depths read from the database at this moment."""

from __future__ import annotations

import os

import structlog
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from fiatrails.api.errors import DATABASE_LOST
from fiatrails.api.open.checks import queue_depth
from fiatrails.api.plain import only
from fiatrails.controls import dead_letters
from fiatrails.kernel import metrics as product_metrics

log = structlog.get_logger(__name__)


class _Depths(Collector):
    """What the database knows better than any process's memory. Left out while it cannot be asked."""

    def __init__(self, queue: int) -> None:
        self._queue = queue

    def collect(self) -> list[GaugeMetricFamily]:
        return [GaugeMetricFamily("fiatrails_queue_depth", "Payments taken and not yet final on chain", self._queue)]


@only("GET")
def metrics(_request: HttpRequest) -> HttpResponse:
    """Prometheus text format."""
    extra = _read_depths()
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    text = generate_latest(registry)
    if extra is not None:
        depths = CollectorRegistry()
        depths.register(extra)
        text += generate_latest(depths)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _read_depths() -> _Depths | None:
    try:
        product_metrics.dlq_depth.set(dead_letters.depth())
        return _Depths(queue_depth())
    except DATABASE_LOST as error:
        log.warning("metrics.without_database", error=type(error).__name__)
        return None
