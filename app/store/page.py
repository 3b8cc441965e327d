"""Pages of a list, newest first, and the opaque cursors between them.

A cursor holds the sort key of the last row that was seen, never a number of
rows to skip: the next page costs what the first did, and rows that arrive in
between shift nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from app.errors import Refused

T = TypeVar("T")
LARGEST = 2**63 - 1
"""The largest whole number that a statement can be given."""
MOST_BYTES = 4 * 1024 * 1024
"""A page of rows that may be large each ends with the row that brings it there."""


class BadCursor(Refused):
    """A cursor that no list gave out: leave it out to start at the newest."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items of a list, and the cursor of the rest, or None where there is no more."""

    items: list[T] = field(default_factory=list)
    next: str | None = None


def cursor_of(*key: float | str) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The sort key in a cursor, whose parts must be of these kinds. Raises `BadCursor`."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = json.loads(base64.b64decode(padded.encode(), altchars=b"-_", validate=True))
        if not isinstance(key, list):
            raise ValueError("no list")
        for part, kind in zip(key, kinds, strict=True):
            if not isinstance(part, (int, float) if kind is float else kind):
                raise ValueError("another list's cursor")
            if isinstance(part, int) and abs(part) > LARGEST:
                raise ValueError("no number of a column")
    except (ValueError, AttributeError):
        raise BadCursor(f"cursor {cursor!r} was not given out by this list: leave it out") from None
    return key


def paged(
    rows: Sequence[Any],
    limit: int,
    key: Callable[[Any], tuple[float | str, ...]],
    show: Callable[[Any], T],
) -> Page[T]:
    """A page of rows that were read with one more than `limit`, to see whether there are more."""
    more = len(rows) > limit
    rows = rows[:limit]
    return Page([show(row) for row in rows], cursor_of(*key(rows[-1])) if more else None)


def bounded(
    rows: Iterable[Any],
    limit: int,
    size: Callable[[Any], int],
    key: Callable[[Any], tuple[float | str, ...]],
    show: Callable[[Any], T],
) -> Page[T]:
    """A page of rows that are read as they are needed: `limit`, or fewer that come to `MOST_BYTES`."""
    taken: list[Any] = []
    bytes = 0
    for row in rows:
        if len(taken) == limit or bytes >= MOST_BYTES:
            return Page([show(one) for one in taken], cursor_of(*key(taken[-1])))
        taken.append(row)
        bytes += size(row)
    return Page([show(one) for one in taken])
