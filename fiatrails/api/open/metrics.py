"""GET /metrics: the counters of all processes, and depths read from the database at this moment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import structlog
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from fiatrails.api.clock import CLOCK
from fiatrails.api.errors import DATABASE_LOST
from fiatrails.api.open.checks import queue_depth
from fiatrails.api.plain import require_method
from fiatrails.chains.core.holds import ChainHold
from fiatrails.compliance.sanctions import checks
from fiatrails.engine import dead_letters
from fiatrails.engine.postgres.errors import in_words
from fiatrails.kernel import metrics as product_metrics
from fiatrails.kernel.currencies import TOKEN_DECIMALS
from fiatrails.ledger.accounts import country_of
from fiatrails.ledger.balances import balances_of
from fiatrails.purchases import waiting
from fiatrails.screening.lists.rules import Usable

log = structlog.get_logger(__name__)


class _Gauges(Collector):
    """What the database knows better than any process's memory, as it was at this scrape."""

    def __init__(
        self, values: Mapping[str, tuple[str, float]], supply: Mapping[str, float], held: Sequence[ChainHold]
    ) -> None:
        self._values = values
        self._supply = supply
        self._held = held

    def collect(self) -> list[GaugeMetricFamily]:
        found = [GaugeMetricFamily(name, help_text, value) for name, (help_text, value) in self._values.items()]
        by_asset = GaugeMetricFamily("fiatrails_token_supply", "Tokens in circulation by the ledger", labels=["asset"])
        for asset, tokens in self._supply.items():
            by_asset.add_metric([asset], tokens)
        labels = ["chain", "address", "role", "reason"]
        held = GaugeMetricFamily("fiatrails_lanes_held", "1 for each lane or country that mints nothing", labels=labels)
        for hold in self._held:
            held.add_metric([hold.chain, hold.address, hold.role, hold.reason.value], 1)
        return [*found, by_asset, held]


@require_method("GET")
def metrics(_request: HttpRequest) -> HttpResponse:
    """Answer the metrics in the text format of Prometheus."""
    extra = _read_gauges()
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    text = generate_latest(registry)
    if extra is not None:
        read_now = CollectorRegistry()
        read_now.register(extra)
        text += generate_latest(read_now)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _read_gauges() -> _Gauges | None:
    """None while the database cannot be asked."""
    try:
        product_metrics.dlq_depth.set(dead_letters.depth())
        queue = {"fiatrails_queue_depth": ("Payments taken and not yet final on chain", float(queue_depth()))}
        return _Gauges(queue | _lists(), _supply(), waiting.holds(now=CLOCK.now()))
    except DATABASE_LOST as error:
        log.warning("metrics.without_database", error=in_words(error))
        return None


def _supply() -> dict[str, float]:
    """Whole tokens by asset; no scan of the postings, however many there are."""
    balances = balances_of("token_supply")
    return {country_of(code): -base_units / 10**TOKEN_DECIMALS for code, base_units in balances.items()}


def _lists() -> dict[str, tuple[str, float]]:
    """How the sanctions lists are; nothing while nobody is screened, and no age without a list."""
    if not checks.enabled():
        return {}
    found = checks.standing(CLOCK.now())
    entities = sum(version.counts.entities for version in found.lists.versions)
    usable = float(isinstance(found, Usable))
    shown = {
        "fiatrails_sanctions_lists_usable": ("1 while payers can be cleared on the lists", usable),
        "fiatrails_sanctions_list_entities": ("Entities of the sanctions lists in force", float(entities)),
    }
    if found.lists.versions:
        age_s = found.lists.age.total_seconds()
        shown["fiatrails_sanctions_list_age_seconds"] = ("Since the list was last seen at its source", age_s)
    return shown
