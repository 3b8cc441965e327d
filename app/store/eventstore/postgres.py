"""Appending on PostgreSQL: one call of a function that the migrations made, one round trip.

The function checks the version and writes; its transaction's lock tells readers
how far they may go (decision 31). Writers of different processes don't wait for each other;
the threads of one share a call and its commit, as on SQLite (`group.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
import psycopg

from app.store.columns import LARGEST
from app.store.database import Database
from app.store.eventstore.group import Group
from app.store.eventstore.recorded import Appended, VersionConflict, Winner
from app.store.eventstore.request import Request

_APPEND = "SELECT * FROM penstock_append(%s, %s, %s, %s, %s, %s, %s, %s)"
_AT_ONCE = "SELECT * FROM penstock_append_at_once(%s)"
_LARGEST_SHARED = 20
"""Events of a request that may share a call: a large one would make small ones wait for it."""


class Executor(Protocol):
    """A cursor of psycopg, or what looks like one."""

    def execute(self, sql: str, parameters: Any) -> Any: ...


class _Alone(Exception):
    """Somebody else's transaction holds a stream of this group: each tries by itself."""


def append(cursor: Executor, request: Request) -> Appended:
    """Raises `VersionConflict`, having written nothing of this request."""
    first, *rest = request.rows
    given = (
        request.stream, _expected(request), request.at, request.actor, *first,
        msgspec.json.encode(rest).decode() if rest else None,
    )  # fmt: skip
    return _told(request, cursor.execute(_APPEND, given).fetchone())


def _expected(request: Request) -> int | None:
    """As the function takes it: no stream comes so far, so what is more is as wrong."""
    return None if request.expected is None else min(request.expected, LARGEST)


def _told(request: Request, row: Any) -> Appended:
    done, version, position, *winner = row
    if not done:
        raise VersionConflict(request.stream, request.expected or 0, version, Winner(*winner))
    return Appended(version, position)


class PostgresAppender:
    def __init__(self, database: Database):
        self._database = database
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._group: Group[Request, Appended] = Group(self._together)

    def append(self, requests: list[Request]) -> list[Appended]:
        """All or none, durable when it returns."""
        if self._process != os.getpid():  # forked, maybe while a thread of the parent was in here
            self._begin()
        if len(requests) == 1 and len(requests[0].rows) <= _LARGEST_SHARED:
            try:
                return [self._group.do(requests[0])]
            except _Alone:
                pass
        with self._cursor() as cursor:
            if len(requests) == 1:
                return [append(cursor, requests[0])]
            with cursor.connection.transaction():
                return in_order(cursor, requests)

    def _together(self, requests: list[Request]) -> list[Appended | Exception]:
        """One call for all who wait; a conflict of one is no matter to the others."""
        given = [
            (one.stream, _expected(one), one.at, one.actor, *one.rows[0], one.rows[1:] or None)
            for one in requests
        ]
        with self._cursor() as cursor:
            try:
                rows = cursor.execute(_AT_ONCE, (msgspec.json.encode(given).decode(),)).fetchall()
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                return [_Alone() for _ in requests]
        outcomes: list[Appended | Exception] = [_Alone() for _ in requests]
        for number, *row in rows:
            try:
                outcomes[number] = _told(requests[number], row)
            except VersionConflict as conflict:
                outcomes[number] = conflict
        return outcomes

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """One whose statements are each a transaction."""
        connection = self._database.engine.raw_connection()
        try:
            driver: Any = connection.driver_connection
            driver.autocommit = True
            try:
                with driver.cursor() as cursor:
                    yield cursor
            finally:
                if driver.closed:
                    connection.invalidate()
                else:
                    driver.autocommit = False
        finally:
            connection.close()


def in_order(cursor: Executor, requests: list[Request]) -> list[Appended]:
    """In the order of the streams' names, so that two who want the same ones don't deadlock."""
    done: dict[int, Appended] = {}
    for index, request in sorted(enumerate(requests), key=lambda one: one[1].stream):
        done[index] = append(cursor, request)
    return [done[index] for index in range(len(requests))]
