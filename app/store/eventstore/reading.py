"""Reading the event store: a stream by its versions, all streams by position up to the horizon.

The horizon is the highest position that nobody can still put an event in front of. On
PostgreSQL it is asked for first, and the rows are read in a later statement, which therefore
sees all that was committed up to it. On SQLite all that can be seen is in its order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from sqlmodel import Session

from app.events.event import Event
from app.store.bulk import Bulk
from app.store.columns import LARGEST
from app.store.database import Database
from app.store.eventstore.recorded import Recorded
from app.store.moments import iso, seconds
from app.store.page import Page, paged, read_cursor

_COLUMNS = "position, stream, version, event, recorded, actor"
_AT_ONCE = 1000


class Reader:
    def __init__(self, database: Database):
        self._database = database

    def bounds(
        self,
        stream: str,
        first: int | None,
        last: int | None,
        since: Any,
        at: Any,
        session: Session | None,
    ) -> tuple[int, int]:
        """The first and the last version of what is asked for; times never go back in a stream."""
        low, high = first or 1, LARGEST if last is None else min(last, LARGEST)
        if since is None and at is None:
            return low, high
        with self._reading(session) as bulk:
            if since is not None:
                query = "SELECT min(version) FROM stored_events WHERE stream = ? AND recorded >= ?"
                found = bulk.rows(query, stream, seconds(since))[0][0]
                low = max(low, found or LARGEST)
            if at is not None:
                query = "SELECT max(version) FROM stored_events WHERE stream = ? AND recorded <= ?"
                high = min(high, bulk.rows(query, stream, seconds(at))[0][0] or 0)
        return low, high

    def stream(
        self, stream: str, low: int, high: int, backwards: bool, session: Session | None
    ) -> Iterator[Recorded]:
        query = (
            f"SELECT {_COLUMNS} FROM stored_events WHERE stream = ? AND version BETWEEN ? AND ?"
            f" ORDER BY version {'DESC' if backwards else 'ASC'} LIMIT {_AT_ONCE}"
        )
        while low <= high:
            with self._reading(session) as bulk:
                rows = bulk.rows(query, stream, low, high)
            for row in rows:
                yield _recorded(row)
            if len(rows) < _AT_ONCE:
                return
            if backwards:
                high = rows[-1][2] - 1
            else:
                low = rows[-1][2] + 1

    def all(
        self, after: int, limit: int, until: int | None = None, types: Collection[str] = ()
    ) -> list[Recorded]:
        query, given = f"SELECT {_COLUMNS} FROM stored_events WHERE position > ?", [after]
        with self._reading(None) as bulk:
            ends = [
                end
                for end in (until, _horizon(bulk) if bulk.on_postgres else None)
                if end is not None
            ]
            if ends:
                query, given = f"{query} AND position <= ?", [*given, min(ends)]
            if types:
                query, given = f"{query} AND {bulk.any_of('type')}", [*given, bulk.listed(types)]
            # A large store's statistics may be old; the order makes the index the only way.
            rows = bulk.rows(f"{query} ORDER BY position LIMIT ?", *given, limit)
        return [_recorded(row) for row in rows]

    def version(self, stream: str, session: Session | None) -> int:
        query = "SELECT max(version) FROM stored_events WHERE stream = ?"
        with self._reading(session) as bulk:
            return bulk.rows(query, stream)[0][0] or 0

    def streams(self, category: str | None, limit: int, cursor: str | None) -> Page[dict[str, Any]]:
        query = (
            "SELECT f.position, f.stream, f.recorded, l.version, l.recorded, l.type"
            " FROM stored_events f JOIN stored_events l ON l.stream = f.stream AND l.version ="
            " (SELECT max(version) FROM stored_events n WHERE n.stream = f.stream)"
            " WHERE f.version = 1"
        )
        given: list[Any] = []
        if category is not None:
            query += " AND substr(f.stream, 1, ?) = ?"
            given += [len(category) + 1, f"{category}:"]
        if cursor:
            query += " AND f.position < ?"
            given += read_cursor(cursor, int)
        with self._reading(None) as bulk:
            rows = bulk.rows(f"{query} ORDER BY f.position DESC LIMIT ?", *given, limit + 1)
        return paged(rows, limit, lambda row: (row[0],), _stream)

    def schemas_between(self, type: str, after: int, until: int) -> dict[str | None, int]:
        with self._reading(None) as bulk:
            named = (
                "event::json->>'dataschema'"
                if bulk.on_postgres
                else "json_extract(event, '$.dataschema')"
            )
            query = (
                f"SELECT {named}, count(*) FROM stored_events"
                " WHERE position > ? AND position <= ? AND type = ? GROUP BY 1"
            )
            return dict(bulk.rows(query, after, until, type))

    def recorded_after(self, position: int) -> float | None:
        query = "SELECT recorded FROM stored_events WHERE position > ? ORDER BY position LIMIT 1"
        with self._reading(None) as bulk:
            rows = bulk.rows(query, position)
        return rows[0][0] if rows else None

    def position_at(self, at: Any) -> int:
        # From the newest on: times go back between streams by moments only, so few are looked at
        # for a time that is not long ago.
        query, given = "SELECT position FROM stored_events WHERE recorded <= ?", [seconds(at)]
        with self._reading(None) as bulk:
            if bulk.on_postgres:
                query, given = f"{query} AND position <= ?", [*given, _horizon(bulk)]
            rows = bulk.rows(f"{query} ORDER BY position DESC LIMIT 1", *given)
        return rows[0][0] if rows else 0

    def head(self) -> int:
        with self._reading(None) as bulk:
            if not bulk.on_postgres:
                return bulk.rows("SELECT max(position) FROM stored_events")[0][0] or 0
            query = "SELECT max(position) FROM stored_events WHERE position <= ?"
            return bulk.rows(query, _horizon(bulk))[0][0] or 0

    @contextmanager
    def _reading(self, session: Session | None) -> Iterator[Bulk]:
        if session is not None:
            yield Bulk(session)
            return
        with self._database.read() as own:
            yield Bulk(own)


def _horizon(bulk: Bulk) -> int:
    return int(bulk.rows("SELECT penstock_horizon()")[0][0])


def _recorded(row: Any) -> Recorded:
    position, stream, version, event, recorded, actor = row
    return Recorded(stream, version, position, Event.from_bytes(event), recorded, actor)


def _stream(row: Any) -> dict[str, Any]:
    _, stream, began, version, changed, last = row
    category = stream.partition(":")[0]
    return {
        "stream": stream,
        "category": category,
        "version": version,
        "began": iso(began),
        "changed": iso(changed),
        "last": last,
    }
