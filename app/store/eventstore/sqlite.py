"""Appending on SQLite, which has one writer at a time: threads share a transaction.

Positions are given out under the file's lock, which is held to the commit, so they become
visible in their order. Whoever comes while a transaction is under way joins the next one;
so the disk is waited for once, for all who are there (`group.py`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from app.store.database import Database
from app.store.eventstore.group import Group
from app.store.eventstore.recorded import Appended, VersionConflict, Winner
from app.store.eventstore.request import Request
from app.store.forking import GATE

_NEWEST = (
    "SELECT version, type, actor, recorded FROM stored_events"
    " WHERE stream = ? ORDER BY version DESC LIMIT 1"
)
_ROWS_AT_ONCE = 50


@lru_cache(maxsize=_ROWS_AT_ONCE)
def _insert(rows: int) -> str:
    """So many events of one stream, in order. SQLite gives each the next position (its rowid)."""
    values = ", ".join(
        f"({n}, ?{3 * n + 2}, ?{3 * n + 3}, ?{3 * n + 4})" for n in range(1, rows + 1)
    )
    return (
        "INSERT INTO stored_events (stream, version, type, event, actor, recorded, subject_key)"
        " SELECT ?1, ?2 + column1, column2, column3, ?3, ?4, column4"
        f" FROM (VALUES {values})"
    )


def append(cursor: Any, requests: list[Request]) -> list[Appended]:
    """All or none, in a transaction that holds the file's lock.

    Raises `VersionConflict` before anything of these requests is written.
    """
    at: dict[str, tuple[int, Winner]] = {}
    begins: list[tuple[int, float]] = []
    for request in requests:
        version, newest = at.get(request.stream) or _newest(cursor, request.stream)
        if request.expected is not None and request.expected != version:
            raise VersionConflict(request.stream, request.expected, version, newest)
        recorded = max(request.at, newest.at or 0.0)
        begins.append((version, recorded))
        at[request.stream] = (
            version + len(request.rows),
            Winner(request.rows[-1].type, request.actor, recorded),
        )
    return [
        _write(cursor, request, version, recorded)
        for request, (version, recorded) in zip(requests, begins, strict=True)
    ]


def _write(cursor: Any, request: Request, version: int, recorded: float) -> Appended:
    for begin in range(0, len(request.rows), _ROWS_AT_ONCE):
        rows = request.rows[begin : begin + _ROWS_AT_ONCE]
        values = [request.stream, version, request.actor, recorded]
        for row in rows:
            values += row
        cursor.execute(_insert(len(rows)), values)
        version += len(rows)
    return Appended(version, cursor.lastrowid)


def _newest(cursor: Any, stream: str) -> tuple[int, Winner]:
    version, *newest = cursor.execute(_NEWEST, (stream,)).fetchone() or (0, None, None, None)
    return version, Winner(*newest)


class SqliteAppender:
    def __init__(self, database: Database):
        self._database = database
        self._group: Group[list[Request], list[Appended]] = Group(self._together)

    def append(self, requests: list[Request]) -> list[Appended]:
        """All or none, durable when it returns."""
        return self._group.do(requests)

    def _together(self, waiting: list[list[Request]]) -> list[list[Appended] | Exception]:
        """One transaction for all who wait; a conflict of one is no matter to the others."""
        with GATE.inside():
            return self._in_one(waiting)

    def _in_one(self, waiting: list[list[Request]]) -> list[list[Appended] | Exception]:
        connection = self._database.engine.raw_connection()
        try:
            driver: Any = connection.driver_connection
            driver.begin("IMMEDIATE")
            cursor = driver.cursor()
            try:
                outcomes: list[list[Appended] | Exception] = []
                for requests in waiting:
                    try:
                        outcomes.append(append(cursor, requests))
                    except VersionConflict as conflict:
                        outcomes.append(conflict)
                cursor.execute("COMMIT")
                return outcomes
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
        finally:
            connection.close()
