"""Appending on PostgreSQL: one call of a function that the migration made, one round trip.

The function checks the version and writes; its transaction's lock tells readers
how far they may go (decision 31). Writers of different streams never wait for each other.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from app.store.database import Database
from app.store.eventstore.recorded import Appended, VersionConflict, Winner
from app.store.eventstore.request import Request

_APPEND = "SELECT * FROM penstock_append(%s, %s, %s, %s, %s)"


class Executor(Protocol):
    """A cursor of psycopg, or what looks like one."""

    def execute(self, sql: str, parameters: Any) -> Any: ...


def append(cursor: Executor, request: Request) -> Appended:
    """Raises `VersionConflict`, having written nothing of this request."""
    rows = msgspec.json.encode(request.rows).decode()
    given = (request.stream, request.expected, request.at, request.actor, rows)
    done, version, position, *winner = cursor.execute(_APPEND, given).fetchone()
    if not done:
        raise VersionConflict(request.stream, request.expected or 0, version, Winner(*winner))
    return Appended(version, position)


class PostgresAppender:
    def __init__(self, database: Database):
        self._database = database

    def append(self, requests: list[Request]) -> list[Appended]:
        """All or none, durable when it returns."""
        connection = self._database.engine.raw_connection()
        try:
            driver: Any = connection.driver_connection
            driver.autocommit = True
            try:
                with driver.cursor() as cursor:
                    if len(requests) == 1:
                        return [append(cursor, requests[0])]
                    with driver.transaction():
                        return in_order(cursor, requests)
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
