"""The statements that write events to SQLite, each with the place that it gets.

As few as can be, since each costs more than a row in it: one for those who append a single
event, however many there are, and one for each hundred of a request with several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from app.store.eventstore.request import Request

_AT_ONCE = 100
_INSERT = (
    "INSERT INTO stored_events"
    " (position, stream, version, type, event, actor, recorded, subject_key) VALUES "
)
Statement = tuple[str, list[Any]]
"""Its text and its values."""


class Placed(NamedTuple):
    """A request that can be appended: behind this version, recorded at this time."""

    request: Request
    version: int
    recorded: float


def statements(placed: Sequence[Placed], position: int) -> Iterator[Statement]:
    """What writes them behind a position, in this order."""
    for alone, several in groupby(placed, lambda one: len(one.request.rows) == 1):
        for statement, rows in (_singles if alone else _several)(list(several), position):
            yield statement
            position += rows


def _singles(placed: list[Placed], position: int) -> Iterator[tuple[Statement, int]]:
    for begin in range(0, len(placed), _AT_ONCE):
        part = placed[begin : begin + _AT_ONCE]
        values: list[Any] = []
        for request, version, recorded in part:
            position += 1
            ((type, event, key),) = request.rows
            values += (
                position, request.stream, version + 1, type, event, request.actor, recorded, key,
            )  # fmt: skip
        yield (_insert_singles(len(part)), values), len(part)


def _several(placed: list[Placed], position: int) -> Iterator[tuple[Statement, int]]:
    for request, version, recorded in placed:
        kind = request.newest
        alike = all(type == kind and key is None for type, _, key in request.rows)
        for begin in range(0, len(request.rows), _AT_ONCE):
            rows = request.rows[begin : begin + _AT_ONCE]
            values: list[Any] = [position, request.stream, version, request.actor, recorded]
            if alike:
                values.append(kind)
                values += [event for _, event, _ in rows]
            else:
                for row in rows:
                    values += row
            yield (_insert_rows(len(rows), alike), values), len(rows)
            position += len(rows)
            version += len(rows)


@lru_cache(maxsize=2 * _AT_ONCE)
def _insert_rows(rows: int, alike: bool) -> str:
    """So many events of one stream; `alike`: of one type without a `subjectkey`, so less is handed over."""
    each = "?6, ?{0}, ?4, ?5, NULL" if alike else "?{1}, ?{2}, ?4, ?5, ?{3}"
    return _INSERT + ", ".join(
        f"(?1 + {n + 1}, ?2, ?3 + {n + 1}, {each.format(n + 7, 3 * n + 6, 3 * n + 7, 3 * n + 8)})"
        for n in range(rows)
    )


@lru_cache(maxsize=_AT_ONCE)
def _insert_singles(rows: int) -> str:
    """So many events, each with its place."""
    return _INSERT + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * rows)
