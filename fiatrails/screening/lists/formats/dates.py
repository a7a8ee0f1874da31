"""Dates of birth as OFAC writes them: a day, a month, a year, "circa", or a range of any two of these."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import MAXYEAR, MINYEAR, date

from fiatrails.screening.entities import DateRange

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_POINT = re.compile(
    r"(?P<circa>(?:circa|c\.|ca\.|approximately|about)\s+)?"
    r"(?:(?:(?P<day>[0-9]{1,2})\s+)?(?P<month>[a-z]{3})[a-z]{0,6}\.?,?\s+)?(?P<year>[0-9]{4})",
    re.ASCII | re.IGNORECASE,
)
_BETWEEN = re.compile(r"\s+to\s+|\s*[-\u2013]\s*", re.IGNORECASE)


def read_date(text: str) -> DateRange | None:
    """Read "15 Jan 1955", "Jan 1955", "1955", "circa 1955" (a year each side), "1951 to circa 1953", "circa 1951-1953"
    as the days that it may be. None for anything else: a date that was not understood excludes nobody."""
    points = [_POINT.fullmatch(part.strip()) for part in _BETWEEN.split(text.strip().rstrip("."))]
    if not 1 <= len(points) <= 2:
        return None
    circa = points[0] is not None and points[0]["circa"] is not None
    ranges = [_range(point, circa=circa) for point in points if point is not None]
    known = [found for found in ranges if found is not None]
    if len(known) != len(points):
        return None
    return DateRange(min(found.earliest for found in known), max(found.latest for found in known))


def _range(point: re.Match[str], *, circa: bool) -> DateRange | None:
    """Read a range; `circa` before the first of two dates counts for both."""
    year = int(point["year"])
    month = _MONTHS.get((point["month"] or "").lower())
    if year < MINYEAR or (point["month"] and month is None):
        return None
    first, last = _days(year, month, int(point["day"] or 0))
    if circa or point["circa"]:
        return DateRange(_years_later(first, -1), _years_later(last, 1))
    return DateRange(first, last)


def _days(year: int, month: int | None, day: int) -> tuple[date, date]:
    if month is None:
        return date(year, 1, 1), date(year, 12, 31)
    length = monthrange(year, month)[1]
    if 1 <= day <= length:
        return date(year, month, day), date(year, month, day)
    # A day that the month does not have, such as 31 Jun, still says the month.
    return date(year, month, 1), date(year, month, length)


def _years_later(moment: date, years: int) -> date:
    year = min(max(moment.year + years, MINYEAR), MAXYEAR)
    return moment.replace(year=year, day=min(moment.day, monthrange(year, moment.month)[1]))
