"""Appending on SQLite, which has one writer at a time: threads share a transaction.

Positions are given out under the file's lock, which is held to the commit, so they become
visible in their order. Whoever comes while a transaction is under way joins the next one;
so the disk is waited for once, for all who are there (`group.py`), and events that come
alone are written by one statement.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from app.store.database import Database
from app.store.eventstore.group import Group
from app.store.eventstore.recorded import Appended, VersionConflict, Winner
from app.store.eventstore.request import Request
from app.store.forking import GATE
from app.store.own_connection import OwnConnection

_AT_ONCE = 50
_COLUMNS = "stored_events (stream, version, type, event, actor, recorded, subject_key)"
_NEWEST = (
    "SELECT version, type, actor, recorded FROM stored_events"
    " WHERE stream = ? ORDER BY version DESC LIMIT 1"
)


Newest = tuple[int, Winner]
"""A stream's version, and its newest event."""


class _Placed(NamedTuple):
    """A request that can be appended: behind this version, recorded at this time."""

    request: Request
    version: int
    recorded: float


@lru_cache(maxsize=_AT_ONCE)
def _insert_rows(rows: int) -> str:
    """So many events of one stream, in order. SQLite gives each the next position (its rowid)."""
    values = ", ".join(
        f"({n}, ?{3 * n + 2}, ?{3 * n + 3}, ?{3 * n + 4})" for n in range(1, rows + 1)
    )
    return (
        f"INSERT INTO {_COLUMNS} SELECT ?1, ?2 + column1, column2, column3, ?3, ?4, column4"
        f" FROM (VALUES {values})"
    )


@lru_cache(maxsize=_AT_ONCE)
def _insert_singles(rows: int) -> str:
    """So many events, each with its stream and version."""
    return f"INSERT INTO {_COLUMNS} VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?)'] * rows)}"


def append(cursor: Any, requests: list[Request]) -> list[Appended]:
    """All or none, in a transaction that holds the file's lock.

    Raises `VersionConflict` before anything of these requests is written.
    """
    [outcome] = append_each(cursor, [requests])
    if isinstance(outcome, VersionConflict):
        raise outcome
    return outcome


def append_each(
    cursor: Any, waiting: list[list[Request]]
) -> list[list[Appended] | VersionConflict]:
    """Several such at once, in order; a conflict of one is no matter to the others."""
    newest: dict[str, Newest] = {}
    judged = [_judge(cursor, requests, newest) for requests in waiting]
    positions = _write(
        cursor, [one for placed in judged if isinstance(placed, list) for one in placed]
    )
    return [
        [Appended(one.version + len(one.request.rows), next(positions)) for one in placed]
        if isinstance(placed, list)
        else placed
        for placed in judged
    ]


def _judge(
    cursor: Any, requests: list[Request], newest: dict[str, Newest]
) -> list[_Placed] | VersionConflict:
    """Where they go, which is `newest` from then on; or why none of them is appended."""
    placed: list[_Placed] = []
    after: dict[str, Newest] = {}
    for request in requests:
        stream = request.stream
        at = after.get(stream) or newest.get(stream)
        if at is None:
            at = newest[stream] = _ask(cursor, stream)
        version, winner = at
        if request.expected is not None and request.expected != version:
            return VersionConflict(stream, request.expected, version, winner)
        recorded = max(request.at, winner.at or 0.0)
        placed.append(_Placed(request, version, recorded))
        after[stream] = (
            version + len(request.rows),
            Winner(request.newest, request.actor, recorded),
        )
    newest.update(after)
    return placed


def _ask(cursor: Any, stream: str) -> Newest:
    version, *newest = cursor.execute(_NEWEST, (stream,)).fetchone() or (0, None, None, None)
    return version, Winner(*newest)


def _write(cursor: Any, placed: list[_Placed]) -> Iterator[int]:
    """Write them in this order; the position of each one's last event."""
    positions: list[int] = []
    for alone, several in groupby(placed, lambda one: len(one.request.rows) == 1):
        if alone:
            positions += _write_singles(cursor, list(several))
        else:
            positions += [_write_rows(cursor, one) for one in several]
    return iter(positions)


def _write_singles(cursor: Any, placed: list[_Placed]) -> list[int]:
    """They follow each other, since the lock is held: the last one's position tells all."""
    for begin in range(0, len(placed), _AT_ONCE):
        part = placed[begin : begin + _AT_ONCE]
        values: list[Any] = []
        for request, version, recorded in part:
            ((type, event, key),) = request.rows
            values += (request.stream, version + 1, type, event, request.actor, recorded, key)
        cursor.execute(_insert_singles(len(part)), values)
    last = cursor.lastrowid
    return list(range(last - len(placed) + 1, last + 1))


def _write_rows(cursor: Any, placed: _Placed) -> int:
    request, version, recorded = placed
    for begin in range(0, len(request.rows), _AT_ONCE):
        rows = request.rows[begin : begin + _AT_ONCE]
        values: list[Any] = [request.stream, version, request.actor, recorded]
        for row in rows:
            values += row
        cursor.execute(_insert_rows(len(rows)), values)
        version += len(rows)
    return int(cursor.lastrowid)


class SqliteAppender:
    def __init__(self, database: Database):
        self._begin(OwnConnection(database))

    def _begin(self, connection: OwnConnection) -> None:
        self._process = os.getpid()
        self._connection = connection
        self._group: Group[list[Request], list[Appended]] = Group(self._together)

    def append(self, requests: list[Request]) -> list[Appended]:
        """All or none, durable when it returns."""
        if self._process != os.getpid():  # forked, maybe while a thread of the parent was in here
            self._begin(self._connection.after_fork())
        return self._group.do(requests)

    def _together(self, waiting: list[list[Request]]) -> Sequence[list[Appended] | Exception]:
        """One transaction for all who wait."""
        with GATE.inside(), self._connection.driver() as driver:
            driver.begin("IMMEDIATE")
            cursor = driver.cursor()
            try:
                outcomes = append_each(cursor, waiting)
                cursor.execute("COMMIT")
                return outcomes
            except BaseException:
                if driver.in_transaction:  # a full disk has ended it already
                    cursor.execute("ROLLBACK")
                raise
