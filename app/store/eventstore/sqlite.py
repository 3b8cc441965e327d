"""Appending on SQLite, which has one writer at a time: threads share a transaction.

Positions are given out under the file's lock, which is held to the commit, so they become
visible in their order. Whoever comes while a transaction is under way joins the next one;
so the disk is waited for once, for all who are there (`group.py`), and events that come
alone are written by one statement.

Mostly that statement is all: it names the positions that come next if nobody else appended since
this process did (`Heads`). Where somebody did, these are taken, and the database refuses it; then
the lock is taken first, and the versions of the streams are asked for.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Any

from app.store import turns
from app.store.database import Database
from app.store.eventstore.group import Group
from app.store.eventstore.inserts import Placed, statements
from app.store.eventstore.recorded import Appended, VersionConflict, Winner
from app.store.eventstore.request import Request
from app.store.forking import GATE
from app.store.own_connection import OwnConnection

_NEWEST = (
    "SELECT version, type, actor, recorded FROM stored_events"
    " WHERE stream = ? ORDER BY version DESC LIMIT 1"
)
_HEAD = "SELECT coalesce(max(position), 0) FROM stored_events"
_STREAMS_KEPT = 1000

Newest = tuple[int, Winner]
"""A stream's version, and its newest event."""
Waiting = list[list[Request]]
Outcomes = list[list[Appended] | VersionConflict]


class Heads:
    """The store's newest position, and the newest events of some streams as they are with it."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.streams: dict[str, Newest] = {}


Judged = list[list[Placed] | VersionConflict]


def append(cursor: Any, requests: list[Request]) -> list[Appended]:
    """All or none, in a transaction that holds the file's lock.

    Raises `VersionConflict` before anything of these requests is written.
    """
    heads = _heads(cursor)
    [outcome] = _append_each(cursor, [requests], heads)
    if isinstance(outcome, VersionConflict):
        raise outcome
    return outcome


def _append_each(cursor: Any, waiting: Waiting, heads: Heads) -> Outcomes:
    """Several such at once, in order; a conflict of one is no matter to the others."""
    judged = [_judge(cursor, requests, heads.streams) for requests in waiting]
    for statement in statements(_all_placed(judged), heads.position):
        cursor.execute(*statement)
    return _told(judged, heads)


def _all_placed(judged: Judged) -> list[Placed]:
    return [one for placed in judged if isinstance(placed, list) for one in placed]


def _told(judged: Judged, heads: Heads) -> Outcomes:
    """They are written: the heads are moved on."""
    outcomes: Outcomes = []
    for placed in judged:
        if isinstance(placed, list):
            outcomes.append(done := [])
            for request, version, _ in placed:
                rows = len(request.rows)
                heads.position += rows
                done.append(Appended(version + rows, heads.position))
        else:
            outcomes.append(placed)
    return outcomes


def _heads(cursor: Any) -> Heads:
    return Heads(cursor.execute(_HEAD).fetchone()[0])


def _judge(
    cursor: Any, requests: list[Request], newest: dict[str, Newest]
) -> list[Placed] | VersionConflict:
    """Where they go, which is `newest` from then on; or why none of them is appended."""
    placed: list[Placed] = []
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
        placed.append(Placed(request, version, recorded))
        after[stream] = (
            version + len(request.rows),
            Winner(request.newest, request.actor, recorded),
        )
    newest.update(after)
    return placed


def _ask(cursor: Any, stream: str) -> Newest:
    version, *newest = cursor.execute(_NEWEST, (stream,)).fetchone() or (0, None, None, None)
    return version, Winner(*newest)


class SqliteAppender:
    def __init__(self, database: Database):
        self._begin(OwnConnection(database))

    def _begin(self, connection: OwnConnection) -> None:
        self._process = os.getpid()
        self._connection = connection
        self._left: tuple[Any, Heads] | None = None
        """The connection's last commit, if it did no more since, and how it left the store."""
        self._group: Group[list[Request], list[Appended]] = Group(self._together)

    def append(self, requests: list[Request]) -> list[Appended]:
        """All or none, durable when it returns."""
        if self._process != os.getpid():  # forked, maybe while a thread of the parent was in here
            self._begin(self._connection.after_fork())
        return self._group.do(requests)

    def _together(self, waiting: Waiting) -> Sequence[list[Appended] | Exception]:
        """One transaction for all who wait."""
        with GATE.inside(), self._connection.driver() as driver:
            left, self._left = self._left, None
            heads = left[1] if left and left[0] is driver else None
            outcomes = _at_once(driver, waiting, heads) if heads else None
            if not heads or not outcomes:
                outcomes, heads = _in_turn(driver, waiting)
            if len(heads.streams) <= _STREAMS_KEPT:
                self._left = driver, heads
            return outcomes


def _at_once(driver: Any, waiting: Waiting, heads: Heads) -> Outcomes | None:
    """By one statement, which is a transaction itself; None where nothing was done.

    What is known, or asked for here, may be true no more when it is written: then one of the
    positions is taken.
    """
    try:
        judged: Judged = [_judge(driver, requests, heads.streams) for requests in waiting]
        if any(isinstance(one, VersionConflict) for one in judged):
            return None
        written = statements(_all_placed(judged), heads.position)
        statement, more = next(written), next(written, None)
        if more:
            return None
        driver.at_once(*statement)
    except sqlite3.Error as error:
        if isinstance(error, sqlite3.IntegrityError) or turns.is_busy(error):
            return None
        raise
    return _told(judged, heads)


def _in_turn(driver: Any, waiting: Waiting) -> tuple[Outcomes, Heads]:
    """With the lock held, so that what is asked for stays true."""
    driver.begin("IMMEDIATE")
    cursor = driver.cursor()
    try:
        heads = _heads(cursor)
        outcomes = _append_each(cursor, waiting, heads)
        cursor.execute("COMMIT")
        return outcomes, heads
    except BaseException:
        if driver.in_transaction:  # a full disk has ended it already
            cursor.execute("ROLLBACK")
        raise
