"""Pages and times, as the fake platform's lists have them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.errors import Refused
from tests.web.fake_time import NOW, Json, at


@dataclass(frozen=True)
class Page:
    items: list[Json]
    next: str | None = None


def page(items: Iterable[Json], limit: int = 50, cursor: str | None = None) -> Page:
    rows = list(items)
    start = 0
    if cursor is not None:
        if not cursor.isdigit():
            raise Refused(f"cursor {cursor!r} was not given out by this list: leave it out")
        start = int(cursor)
    rest = len(rows) > start + limit
    return Page(copy.deepcopy(rows[start : start + limit]), str(start + limit) if rest else None)


def stamp(moment: Any) -> str | None:
    """A moment as the strings that the data holds, to compare with."""
    if moment is None:
        return None
    if isinstance(moment, (int, float)):
        return at(NOW - moment)
    if isinstance(moment, datetime):
        return at(NOW - moment.timestamp())
    return str(moment)


def between(value: str, since: Any, until: Any) -> bool:
    low, high = stamp(since), stamp(until)
    return (low is None or value >= low) and (high is None or value < high)
