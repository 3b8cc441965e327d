"""Appending on SQLite, which has one writer at a time: threads share a transaction.

Positions are given out under the file's lock, which is held to the commit, so they become
visible in their order. Whoever comes while a transaction is under way joins the next one;
so the disk is waited for once, for all who are there (`group.py`).
"""

from __future__ import annotations

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
_LAST = "SELECT coalesce(max(position), 0) FROM stored_events"
_INSERT = (
    "INSERT INTO stored_events"
    " (position, stream, version, type, event, actor, recorded, subject_key)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def append(cursor: Any, requests: list[Request], position: int | None = None) -> list[Appended]:
    """All or none, in a transaction that holds the file's lock.

    Raises `VersionConflict` before anything of these requests is written. `position` is the
    newest there is, where the caller knows it.
    """
    if position is None:
        position = int(cursor.execute(_LAST).fetchone()[0])
    at: dict[str, tuple[int, Winner]] = {}
    rows: list[tuple[Any, ...]] = []
    done: list[Appended] = []
    for request in requests:
        version, newest = at.get(request.stream) or _newest(cursor, request.stream)
        if request.expected is not None and request.expected != version:
            raise VersionConflict(request.stream, request.expected, version, newest)
        recorded = max(request.at, newest.at or 0.0)
        for row in request.rows:
            version, position = version + 1, position + 1
            rows.append(
                (position, request.stream, version, row.type, row.event,
                 request.actor, recorded, row.key)
            )  # fmt: skip
        at[request.stream] = version, Winner(request.rows[-1].type, request.actor, recorded)
        done.append(Appended(version, position))
    cursor.executemany(_INSERT, rows)
    return done


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
            cursor = connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                position = int(cursor.execute(_LAST).fetchone()[0])
                outcomes: list[list[Appended] | Exception] = []
                for requests in waiting:
                    try:
                        done = append(cursor, requests, position)
                    except VersionConflict as conflict:
                        outcomes.append(conflict)
                    else:
                        position = done[-1].position
                        outcomes.append(done)
                cursor.execute("COMMIT")
                return outcomes
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
        finally:
            connection.close()
