"""Dates as numbers of days since 1970: one format for a whole column.

Recognised: 2026-01-31 and 2026/01/31, with a time of day and an offset or
without, 31.01.2026, and 31/01/2026 or 01/31/2026, told apart by the days
beyond 12; where no such day occurs the month is taken to come first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta

SHARE = 0.95
EPOCH = date(1970, 1, 1).toordinal()
_TIME = (
    r"(?:[T ](?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2}(?:\.\d+)?))?"
    r"\s?(?P<zone>Z|[+-]\d{2}:?\d{2})?)?\Z"
)
_PATTERNS = {
    "year-month-day": re.compile(r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})" + _TIME),
    "day.month.year": re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})" + _TIME),
    "month/day/year": re.compile(r"(?P<month>\d{1,2})[/-](?P<day>\d{1,2})[/-](?P<year>\d{4})" + _TIME),
    "day/month/year": re.compile(r"(?P<day>\d{1,2})[/-](?P<month>\d{1,2})[/-](?P<year>\d{4})" + _TIME),
}  # fmt: skip


def day_number(cell: str, form: str) -> float | None:
    """Days since 1970, with the time of day as a fraction; None where it is no such date."""
    found = _PATTERNS[form].match(cell)
    if not found:
        return None
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"])).toordinal() - EPOCH
    except ValueError:
        return None
    seconds = int(found["h"] or 0) * 3600 + int(found["m"] or 0) * 60 + float(found["s"] or 0)
    return day + (seconds - _offset(found["zone"])) / 86_400


def _offset(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def recognised(cells: Iterable[str]) -> str | None:
    """The format that nearly all cells have; the one that the most have where several fit."""
    every = list(cells)
    if not every:
        return None
    counts = {
        form: sum(1 for cell in every if day_number(cell, form) is not None) for form in _PATTERNS
    }
    best = max(counts, key=lambda form: counts[form])
    return best if counts[best] >= SHARE * len(every) else None


def ambiguous(cells: Iterable[str], form: str) -> bool:
    """Day and month could as well be the other way round."""
    if "/" not in form:
        return False
    other = "day/month/year" if form == "month/day/year" else "month/day/year"
    return all(day_number(cell, other) is not None for cell in cells)


def written(days: float) -> str:
    """A number of days as an ISO date."""
    return (date(1970, 1, 1) + timedelta(days=int(days // 1))).isoformat()
