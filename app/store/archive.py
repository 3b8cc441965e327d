"""The archive: every event that was published, kept beyond its topic's days.

Guarantees: adding is idempotent by (source, id), whole or not at all for a
batch, and cheap enough to keep up with the streams. Reading never waits for
writing. Lists are newest first by the event's own time; `select` goes oldest
first, for replays, or in a topic's own order, for rewinds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlmodel import Session, select

from app.clock import Clock, SystemClock
from app.events.arrival import Arrival
from app.events.event import Event
from app.events.expressions import Search
from app.store import archive_search
from app.store import archive_statements as statements
from app.store.archive_filter import EventFilter
from app.store.archive_rows import arrival_of, event_dict, rows_of
from app.store.archive_tables import ArchivedEvent
from app.store.beginnings import beginning
from app.store.bulk import Bulk
from app.store.columns import from_json, key
from app.store.database import Database
from app.store.moments import iso, seconds
from app.store.page import Page, cursor_of, read_cursor
from app.store.position import entry_id, sortable

_by_place = itemgetter(6, 7, 8, 0)
_NUMBERED = "SELECT number, time, partition, position, topic, envelope, data FROM events"


class Archive:
    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()

    def add(self, arrivals: Sequence[Arrival]) -> int:
        """Keep events; how many were not there before."""
        rows = rows_of(arrivals, self._clock.now())
        if not rows:
            return 0
        # Topics' order, and the same order in every process, so that two can't deadlock.
        ordered = sorted(rows.values(), key=_by_place)
        with self._database.session() as session:
            bulk = Bulk(session)
            added = statements.insert(bulk, ordered)
            statements.count_arrivals(bulk, added)
        return len(added)

    def find(
        self,
        type: str | None = None,
        subject: str | None = None,
        partitionkey: str | None = None,
        correlationid: str | None = None,
        topic: str | None = None,
        since: Any = None,
        until: Any = None,
        q: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        source: str | None = None,
        expression: str | None = None,
        seen: Callable[[Event], Event] | None = None,
    ) -> Page[dict[str, Any]]:
        """Events as CloudEvents dicts, newest first.

        `type` may end in `.*`. `since` is included, `until` is not. `q` is a part of the type,
        id, subject, key or data, in any case; `expression` is in CEL, as `data.amount > 100`, and
        is asked of each event as whoever looks has `seen` it. A search by these gives up after a
        while with a page that may be short or empty, and a cursor from where to go on. Raises
        `Refused` where the expression is none, or fails on whatever it is asked of.
        """
        wanted = EventFilter.of(
            type=type, subject=subject, partitionkey=partitionkey, correlationid=correlationid,
            topic=topic, since=since, until=until, source=source, q=q,
        )  # fmt: skip
        before = read_cursor(cursor, float, int) if cursor else None
        fits = Search(expression) if expression else None
        with self._database.read() as session:
            if fits:
                return archive_search.by_expression(
                    Bulk(session), self._clock, wanted, fits, seen, before, limit
                )
            if wanted.q:
                return archive_search.by_text(Bulk(session), self._clock, wanted, before, limit)
            rows = statements.newest(Bulk(session), wanted, before, limit + 1)
        more = len(rows) > limit
        shown = rows[:limit]
        following = cursor_of(shown[-1][1], shown[-1][0]) if more else None
        return Page([event_dict(*row[2:]) for row in shown], following)

    def get(self, id: str, source: str | None = None) -> dict[str, Any] | None:
        """An event with its place, or None; the newest where several sources use the id."""
        where, parameters = ("id = ?", [key(id)])
        if source is not None:
            where, parameters = f"{where} AND source = ?", [*parameters, key(source)]
        with self._database.read() as session:
            rows = Bulk(session).rows(
                "SELECT envelope, data, topic, partition, position, archived FROM events"
                f" WHERE {where} ORDER BY number DESC LIMIT 1",
                *parameters,
            )
        if not rows:
            return None
        envelope, data, topic, partition, position, archived = rows[0]
        return {
            "event": event_dict(envelope, data),
            "topic": topic,
            "partition": partition,
            "position": entry_id(position),
            "archived": iso(archived),
        }

    def holds(self, topic: str, partition: int, position: str) -> bool:
        """Whether the event that came at this position of a topic is kept."""
        sql = "SELECT 1 FROM events WHERE topic = ? AND partition = ? AND position = ? LIMIT 1"
        with self._database.read() as session:
            return bool(Bulk(session).rows(sql, topic, partition, sortable(position)))

    def beginning(self, id: str, limit: int) -> list[dict[str, Any]]:
        """What is known of the events whose id begins so, without their data."""
        names = ("id", "type", "subject")
        columns: Any = [getattr(ArchivedEvent, name) for name in (*names, "time")]
        with self._database.read() as session:
            rows = beginning(session, select(*columns), ArchivedEvent.id, id, limit)
        return [dict(zip(names, row, strict=False)) | {"time": iso(row[-1])} for row in rows]

    def types_of(self, ids: Iterable[str]) -> dict[str, str]:
        """The types of those of these events that are archived, by id."""
        wanted = [key(id) for id in ids]
        if not wanted:
            return {}
        with self._database.read() as session:
            bulk = Bulk(session)
            sql = f"SELECT id, type FROM events WHERE {bulk.any_of('id')}"
            return {id: type for id, type in bulk.rows(sql, bulk.listed(wanted))}

    def data_of(self, ids: Iterable[str]) -> dict[str, Any]:
        """The data of those of these events that are archived, by id."""
        with self._database.read() as session:
            bulk = Bulk(session)
            sql = f"SELECT id, data FROM events WHERE {bulk.any_of('id')} AND data IS NOT NULL"
            return {id: from_json(data) for id, data in bulk.rows(sql, bulk.listed(ids))}

    def roots_of_key(self, partitionkey: str, limit: int) -> list[str]:
        """The ids of the newest events with this key that began a run."""
        with self._database.read() as session:
            sql = (
                "SELECT id FROM events WHERE partitionkey = ? AND id = correlationid"
                " ORDER BY time DESC, number DESC LIMIT ?"
            )
            return [id for (id,) in Bulk(session).rows(sql, key(partitionkey), limit)]

    def counts(
        self, since: Any, step: float = 60, type: str | None = None, topic: str | None = None
    ) -> list[tuple[str, int]]:
        """How many events came in each step (seconds, of whole minutes), from then until now."""
        start, step = _steps(since, step)
        found = self.arrivals(start, step, types=[type] if type else None, topic=topic)
        end = self._clock.now()
        at = start
        counts = []
        while at <= end:
            counts.append((iso(at) or "", found.get(at, 0)))
            at += step
        return counts

    def arrivals(
        self,
        since: float,
        step: float,
        types: Sequence[str] | None = None,
        topic: str | None = None,
    ) -> dict[float, int]:
        """How many events came, by the beginning of their step; steps with none are left out."""
        found: Counter[float] = Counter()
        with self._database.read() as session:
            first, length = int(since // 60), int(step // 60)
            for minute, count in statements.arrivals(Bulk(session), first, length, types, topic):
                found[since + (minute * 60 - since) // step * step] += int(count)
        return dict(found)

    def select(
        self, filter: Mapping[str, Any] | None = None, after: str | None = None, limit: int = 1000
    ) -> Page[Arrival]:
        """Arrivals, oldest first; `next` is where to go on, or None at the end.

        The filter has the names of `find`'s arguments, and `partition`, `types` (a list) and
        `position` (an entry id of a topic's stream, from which to start). With a `topic` the
        order is that of the topic's partitions, one after the other; else by time.
        """
        wanted = EventFilter.of(**(filter or {}))
        by_place = wanted.equal.get("topic") is not None
        kinds = (int, str, int) if by_place else (float, int)
        start = read_cursor(after, *kinds) if after else None
        with self._database.read() as session:
            rows = statements.oldest(Bulk(session), wanted, start, limit + 1, by_place)
        more = len(rows) > limit
        shown = rows[:limit]
        following = None
        if more:
            number, time, partition, position = shown[-1][:4]
            place = (partition, position, number) if by_place else (time, number)
            following = cursor_of(*place)
        return Page([arrival_of(row) for row in shown], following)

    def iterate(
        self, filter: Mapping[str, Any] | None = None, limit: int = 1000
    ) -> Iterator[Arrival]:
        """All that `select` gives, page by page."""
        after = None
        while True:
            page = self.select(filter, after, limit)
            yield from page.items
            if page.next is None:
                return
            after = page.next

    def after(
        self, number: int, limit: int, until: int | None = None, without: Collection[str] = ()
    ) -> list[tuple[int, Arrival]]:
        """The next arrivals in the order in which they were kept, each with its number.

        Up to the number `until`, and none of the types `without`, where these are given.
        """
        where, given = ["number > ?"], [number]
        with self._database.read() as session:
            bulk = Bulk(session)
            if until is not None:
                where, given = [*where, "number <= ?"], [*given, until]
            if without:
                where = [*where, f"NOT {bulk.any_of('type')}"]
                given = [*given, bulk.listed(without)]
            sql = f"{_NUMBERED} WHERE {' AND '.join(where)} ORDER BY number LIMIT ?"
            rows = bulk.rows(sql, *given, limit)
        return [(row[0], arrival_of(row)) for row in rows]

    def among(self, numbers: Sequence[int]) -> list[tuple[int, Arrival]]:
        """Those arrivals of these numbers that are kept."""
        with self._database.read() as session:
            bulk = Bulk(session)
            sql = f"{_NUMBERED} WHERE {bulk.any_of('number')} ORDER BY number"
            rows = bulk.rows(sql, bulk.listed(numbers))
        return [(row[0], arrival_of(row)) for row in rows]

    def first_number(self) -> int:
        """The number of the oldest event that is kept; 0 where there is none."""
        with self._database.read() as session:
            return Bulk(session).rows("SELECT min(number) FROM events")[0][0] or 0

    def last_number(self) -> int:
        """The number of the event that was kept last; 0 where there is none."""
        with self._database.read() as session:
            return Bulk(session).rows("SELECT max(number) FROM events")[0][0] or 0

    def count(self, filter: Mapping[str, Any] | None = None, most: int | None = None) -> int:
        """How many events a filter selects; nobody counts further than `most`."""
        wanted = EventFilter.of(**(filter or {}))
        with self._database.read() as session:
            bulk = Bulk(session)
            where, parameters = wanted.sql(bulk)
            found = f"SELECT 1 FROM events WHERE {where}"
            if most is not None:
                found, parameters = f"{found} LIMIT ?", [*parameters, most]
            return int(bulk.rows(f"SELECT COUNT(*) FROM ({found}) AS found", *parameters)[0][0])

    def newest(self) -> float | None:
        """When the last event was archived, in seconds since 1970."""
        with self._database.read() as session:
            sql = "SELECT archived FROM events ORDER BY number DESC LIMIT 1"
            rows = Bulk(session).rows(sql)
        return rows[0][0] if rows else None

    def prune(self, before: float, limit: int = 5000) -> int:
        """Forget up to `limit` of the events older than that; how many there were."""
        with self._database.session() as session:
            return prune(session, before, limit)


def prune(session: Session, before: float, limit: int) -> int:
    bulk = Bulk(session)
    for table in ("arrival_counts", "coarse_arrivals"):
        bulk.run(f"DELETE FROM {table} WHERE minute < ?", int(before // 60))
    return bulk.run(
        "DELETE FROM events WHERE number IN"
        " (SELECT number FROM events WHERE time < ? ORDER BY time, number LIMIT ?)",
        before,
        limit,
    )


def _steps(since: Any, step: float) -> tuple[float, float]:
    """The beginning of the first step and the length of each, in whole minutes."""
    length = max(60.0, step // 60 * 60.0)
    return (seconds(since) or 0) // length * length, length
