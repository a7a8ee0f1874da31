"""What /metrics says of the lists, read from the database at each scrape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest
from django.test import Client

from fiatrails.api.clock import CLOCK
from fiatrails.kernel.conf import Config, ScreeningConfig
from fiatrails.screening.lists import current, store
from fiatrails.screening.lists.models import ListVersion
from tests.unit.screening.list_files import csv, people

pytestmark = pytest.mark.django_db(transaction=True)
USABLE, ENTITIES, AGE = (
    "fiatrails_sanctions_lists_usable",
    "fiatrails_sanctions_list_entities",
    "fiatrails_sanctions_list_age_seconds",
)


@pytest.fixture(autouse=True)
def screening_is_on(configure: Callable[..., Config]) -> Iterator[None]:
    configure(env="production", screening=ScreeningConfig(enabled=True))
    current.forget_cached()
    yield
    current.forget_cached()


def load(*, age_s: int, entities: int = 7) -> None:
    now = CLOCK.now() - timedelta(seconds=age_s)
    store.load({"sdn.csv": csv(*people(entities))}, published=date(2020, 1, 2), actor="test", now=now)


def gauges() -> dict[str, float]:
    text = Client().get("/metrics").content.decode()
    found = re.findall(r"^(fiatrails_sanctions_\w+) ([0-9.e+]+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_a_fresh_list_is_usable_and_its_age_and_size_are_shown() -> None:
    load(age_s=3600)
    shown = gauges()
    assert (shown[USABLE], shown[ENTITIES]) == (1, 7)
    assert 3600 <= shown[AGE] < 3660


def test_a_stale_list_is_not_usable() -> None:
    load(age_s=3 * 86_400)
    shown = gauges()
    assert (shown[USABLE], shown[ENTITIES]) == (0, 7)
    assert shown[AGE] > 2 * 86_400


def test_without_a_list_there_is_no_age_and_a_scrape_loads_nothing() -> None:
    assert gauges() == {USABLE: 0, ENTITIES: 0}
    assert not ListVersion.objects.exists()


def test_while_nobody_is_screened_the_lists_are_not_shown(configure: Callable[..., Config]) -> None:
    load(age_s=0)
    configure(screening=ScreeningConfig(enabled=False))
    assert gauges() == {}
