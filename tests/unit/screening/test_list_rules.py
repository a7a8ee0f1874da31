"""When a list is refused, and when it may be relied on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from fiatrails.screening.lists.rules import (
    ActiveLists,
    ActiveVersion,
    Counts,
    Edition,
    Unusable,
    Usable,
    judge,
    refusals,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = Edition(Counts(100, 200, 50), date(2026, 11, 1))
VERSION = ActiveVersion(
    id=1,
    source="ofac",
    digest="aa",
    published=date(2026, 11, 1),
    fetched_at=NOW - timedelta(hours=5),
    activated_at=NOW,
    is_sample=False,
    counts=OLD.counts,
)


def judged(*versions: ActiveVersion, hours: float = 24, allow_sample: bool = False) -> Usable | Unusable:
    return judge(ActiveLists(versions, NOW), max_age=timedelta(hours=hours), allow_sample=allow_sample)


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        (Counts(90, 180, 45), []),
        (Counts(89, 200, 50), ["89 entities where 100 are in force"]),
        (Counts(100, 179, 50), ["179 names where 200 are in force"]),
        (Counts(100, 200, 44), ["44 wallets where 50 are in force"]),
        (Counts(1, 1, 0), ["1 entities where 100", "1 names where 200", "0 wallets where 50"]),
        (Counts(1000, 2000, 500), []),
    ],
)
def test_a_list_may_shrink_by_a_tenth_in_nothing(counts: Counts, why: list[str]) -> None:
    found = refusals(replace(OLD, counts=counts), OLD, seen_before=False)
    assert len(found) == len(why)
    assert all(says.startswith(expected) for says, expected in zip(found, why, strict=True))


def test_the_first_list_is_compared_with_nothing() -> None:
    assert refusals(Edition(Counts(1, 1, 0), None), None, seen_before=False) == []


@pytest.mark.parametrize(
    ("published", "refused"),
    [(date(2026, 10, 31), True), (date(2026, 11, 1), False), (date(2026, 11, 2), False), (None, False)],
)
def test_an_older_list_does_not_replace_a_newer_one(published: date | None, refused: bool) -> None:
    found = refusals(replace(OLD, published=published), OLD, seen_before=False)
    assert found == (["it is of 2026-10-31, and the one in force of 2026-11-01"] if refused else [])


def test_a_superseded_list_does_not_come_back_and_cut_remarks_are_not_enough() -> None:
    assert refusals(OLD, OLD, seen_before=True) == ["it was in force before and was superseded"]
    assert refusals(replace(OLD, cut_remarks=18), None, seen_before=False) == [
        "18 remarks stop at 1,000 characters, and the comments file is not there"
    ]


def test_a_fresh_list_is_usable() -> None:
    found = judged(VERSION)
    assert isinstance(found, Usable)
    assert (found.lists.ids, found.lists.digest, found.lists.age) == ((1,), "aa", timedelta(hours=5))


def test_a_stale_list_is_not_and_says_how_old_it_is() -> None:
    found = judged(VERSION, hours=4.9)
    assert isinstance(found, Unusable)
    assert found.code == "stale_list"
    assert "5 hours ago and may be 4 hours old; run `fiatrails lists refresh`" in found.reason
    assert isinstance(judged(VERSION, hours=5), Usable)


def test_without_a_list_nothing_is_usable() -> None:
    found = judged(allow_sample=True)
    assert isinstance(found, Unusable)
    assert (found.code, found.lists.digest, found.lists.fetched_at) == ("no_list", "", None)
    assert found.lists.age == timedelta.max


def test_the_sample_is_usable_only_where_it_is_allowed_and_never_stale() -> None:
    sample = replace(VERSION, is_sample=True, fetched_at=NOW - timedelta(days=900))
    assert isinstance(judged(sample, allow_sample=True), Usable)
    refused = judged(sample)
    assert isinstance(refused, Unusable)
    assert refused.code == "sample_list"


def test_of_several_lists_the_worst_decides() -> None:
    stale = replace(VERSION, id=2, source="un", digest="bb", published=None, fetched_at=NOW - timedelta(hours=30))
    lists = ActiveLists((VERSION, stale), NOW)
    assert (lists.ids, lists.published, lists.age) == ((1, 2), date(2026, 11, 1), timedelta(hours=30))
    assert lists.digest not in ("aa", "bb", "")
    found = judged(VERSION, stale)
    assert isinstance(found, Unusable)
    assert found.code == "stale_list"
    assert judged(VERSION, replace(stale, is_sample=True)) != Usable(lists)


def test_a_clock_that_is_behind_makes_no_negative_age() -> None:
    assert ActiveLists((replace(VERSION, fetched_at=NOW + timedelta(hours=1)),), NOW).age == timedelta()
