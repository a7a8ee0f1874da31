"""`--since`: what an operator may type at 3 a.m., and that nothing else passes."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.times import moment, since

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 hour ago", NOW - timedelta(hours=1)),
        ("2 days ago", NOW - timedelta(days=2)),
        ("  10 Minutes AGO ", NOW - timedelta(minutes=10)),
        ("an hour ago", NOW - timedelta(hours=1)),
        ("a week ago", NOW - timedelta(weeks=1)),
        ("90s", NOW - timedelta(seconds=90)),
        ("15 min", NOW - timedelta(minutes=15)),
        ("2025-11-01T12:34:56Z", datetime(2025, 11, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-11-01T15:34:56+03:00", datetime(2025, 11, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-11-01 12:34", datetime(2025, 11, 1, 12, 34, tzinfo=UTC)),
        ("2025-11-01", datetime(2025, 11, 1, tzinfo=UTC)),
    ],
)
def test_it_is_understood(text: str, expected: datetime) -> None:
    assert since(text, now=NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ago",
        "hour ago",
        "1 fortnight ago",
        "-1 hour ago",
        "1.5 hours ago",
        "yesterday",
        "2025-13-01",
        "20251101",
        "999999 weeks ago",
        "\u0661 hour ago",
        "1 hour ago; rm -rf",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="malformed_since"):
        since(text, now=NOW)


def test_the_future_is_refused() -> None:
    with pytest.raises(BadInput, match="since_in_future"):
        since("2026-03-29T01:30:01Z", now=NOW)


@given(st.integers(0, 9_999), st.sampled_from(sorted(UNITS)), st.booleans())
def test_any_count_of_any_unit_lies_that_far_back(count: int, unit: str, plural: bool) -> None:
    assert since(f"{count} {unit}{'s' * plural} ago", now=NOW) == NOW - count * UNITS[unit]


@given(st.integers(1, 10**9), st.integers(-14 * 60, 14 * 60))
def test_any_iso_time_is_read_back_exactly(seconds_back: int, offset_minutes: int) -> None:
    moment = NOW - timedelta(seconds=seconds_back, microseconds=7)
    written = moment.astimezone(timezone(timedelta(minutes=offset_minutes))).isoformat()
    assert since(written, now=NOW) == moment


@given(st.text(max_size=40))
def test_any_text_is_answered_or_refused(text: str) -> None:
    with suppress(BadInput):
        assert since(text, now=NOW) <= NOW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("in 7 days", NOW + timedelta(days=7)),
        ("90m", NOW + timedelta(minutes=90)),
        ("an hour", NOW + timedelta(hours=1)),
        ("1 hour ago", NOW - timedelta(hours=1)),
        ("2031-01-02T03:04:05Z", datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2031-01-02", datetime(2031, 1, 2, tzinfo=UTC)),
    ],
)
def test_a_moment_lies_before_or_ahead(text: str, expected: datetime) -> None:
    assert moment(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "in", "in 999999 weeks", "2031-13-01", "7"])
def test_a_moment_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        moment(text, now=NOW)
