"""What is in force now, and whether anybody may be cleared on it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries
from structlog.testing import capture_logs

from fiatrails.screening.lists import current, store
from fiatrails.screening.lists.models import ListVersion
from fiatrails.screening.lists.rules import Unusable, Usable
from tests.conftest import SteppedClock
from tests.unit.screening.list_files import csv, names_of, people

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    """Ids start again with every test."""
    current.forget_cached()
    yield
    current.forget_cached()


def load(clock: SteppedClock, count: int, **options: object) -> int:
    files = {"sdn.csv": csv(*people(count))}
    return store.load(files, published=None, actor="amina", now=clock.now(), **options).version_id  # type: ignore[arg-type]


def judged(clock: SteppedClock, *, allow_sample: bool = False) -> Usable | Unusable:
    return current.usable(now=clock.now(), max_age=DAY, allow_sample=allow_sample)


def test_where_nothing_was_loaded_the_sample_is_and_says_so(clock: SteppedClock) -> None:
    assert current.stored(now=clock.now()).versions == ()
    with capture_logs() as logged:
        lists = current.active(now=clock.now())
        assert len(current.entities(lists)) == 42
    assert lists.is_sample
    assert [(entry["event"], entry["log_level"]) for entry in logged if entry["log_level"] == "warning"] == [
        ("lists.sample_loaded", "warning"),
        ("lists.sample_in_use", "warning"),
    ]
    assert "SAMPLE" in logged[0]["message"]
    assert ListVersion.objects.get().activated_by == "bundled-sample"


def test_only_where_it_is_allowed_is_anybody_cleared_on_the_sample(clock: SteppedClock) -> None:
    refused = judged(clock)
    assert isinstance(refused, Unusable)
    assert refused.code == "sample_list"
    clock.advance(days=365)
    assert isinstance(judged(clock, allow_sample=True), Usable)


def test_a_real_list_takes_the_place_of_the_sample(clock: SteppedClock) -> None:
    current.active(now=clock.now())
    version = load(clock, 50)
    found = judged(clock)
    assert isinstance(found, Usable)
    assert (found.lists.ids, found.lists.is_sample) == ((version,), False)


def test_ten_processes_that_find_nothing_load_one_sample(clock: SteppedClock) -> None:
    def run(_: int) -> tuple[int, ...]:
        try:
            return current.active(now=clock.now()).ids
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        assert len(set(threads.map(run, range(10)))) == 1
    assert ListVersion.objects.count() == 1


def test_a_real_list_that_comes_first_makes_the_sample_needless(
    clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real list is loaded after nothing was found and before the sample is."""
    original = current.sample_files

    def meanwhile() -> dict[str, bytes]:
        load(clock, 100)
        return original()

    monkeypatch.setattr(current, "sample_files", meanwhile)
    assert not current.active(now=clock.now()).is_sample


def test_a_list_becomes_stale_and_fresh_again_when_it_is_seen_again(clock: SteppedClock) -> None:
    load(clock, 20)
    clock.advance(hours=24)
    assert isinstance(judged(clock), Usable)
    clock.advance(seconds=1)
    stale = judged(clock)
    assert isinstance(stale, Unusable)
    assert (stale.code, stale.lists.age) == ("stale_list", DAY + timedelta(seconds=1))
    load(clock, 20)
    assert isinstance(judged(clock), Usable)


def test_entities_are_parsed_once_and_again_only_for_another_list(
    clock: SteppedClock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    load(clock, 20)
    first = current.entities(current.active(now=clock.now()))
    with django_assert_num_queries(1):
        again = current.entities(current.active(now=clock.now()))
    assert all(one is other for one, other in zip(first, again, strict=True))
    version = load(clock, 21)
    assert len(current.entities(current.active(now=clock.now()))) == 21
    assert set(current._entities) == {version}


def test_ten_threads_parse_a_list_once(clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    load(clock, 20)
    lists = current.active(now=clock.now())
    parsed: list[int] = []
    original = store.entities_of
    monkeypatch.setattr(store, "entities_of", lambda version: (parsed.append(version), original(version))[1])

    def run(_: int) -> int:
        try:
            return len(current.entities(lists))
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as threads:
        assert set(threads.map(run, range(10))) == {20}
    assert parsed == [lists.ids[0]]


def test_of_several_sources_all_are_screened(clock: SteppedClock) -> None:
    load(clock, 3)
    load(clock, 2, source="other")
    lists = current.active(now=clock.now())
    assert [version.source for version in lists.versions] == ["ofac", "other"]
    assert len(names_of(current.entities(lists))) == 5
