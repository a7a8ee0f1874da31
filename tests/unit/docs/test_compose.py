"""The compose file hands on what the product reads, and its counters meet in one place."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.unit.docs.pages import ROOT
from tests.unit.docs.test_reference import variables_of_the_code

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
OF_THE_IMAGE = {"DJANGO_SETTINGS_MODULE", "HOST", "PORT"}
OF_ONE_COMMAND = {"FIATRAILS_ACTOR", "FIATRAILS_API_URL", "FIATRAILS_DEBUG"}
OF_A_CHECKOUT = {"FIATRAILS_STATE_DIR"}
# For a worker on another host, which shares no directory with the API.
OF_THE_WORKER = {"METRICS_HOST", "METRICS_PORT"}
REQUIRED = {"DATABASE_URL", "DJANGO_SECRET_KEY", "HMAC_SECRET", "MPESA_GATEWAY_SECRET"}


def test_every_variable_that_a_process_reads_is_handed_on() -> None:
    handed_on = set(COMPOSE["x-rail"]["environment"])
    elsewhere = OF_THE_IMAGE | OF_ONE_COMMAND | OF_A_CHECKOUT | OF_THE_WORKER
    assert handed_on == variables_of_the_code() - elsewhere


def test_a_variable_is_handed_on_under_its_own_name() -> None:
    for name, value in COMPOSE["x-rail"]["environment"].items():
        if str(value).startswith("${"):
            mark = ":?" if name in REQUIRED else ":-"
            assert str(value).startswith("${" + name + mark), name


def test_prometheus_scrapes_the_api() -> None:
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    targets = {t for job in scraped["scrape_configs"] for group in job["static_configs"] for t in group["targets"]}
    assert targets == {"api:3000"}


@pytest.mark.parametrize("service", ["api", "worker", "celery"])
def test_every_container_counts_where_the_api_adds_up(service: str) -> None:
    """A worker that served its own metrics besides would be counted twice."""
    (image,) = re.findall(r"PROMETHEUS_MULTIPROC_DIR=(\S+)", (ROOT / "deploy" / "Dockerfile").read_text("utf-8"))
    described = COMPOSE["services"][service]
    assert f"metrics:{image}" in described["volumes"]
    assert not OF_THE_WORKER & set(described["environment"])
    assert "metrics" in COMPOSE["volumes"]
