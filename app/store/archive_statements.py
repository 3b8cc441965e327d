"""The archive's statements: what is written, and what is read newest or oldest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from app.store.archive_filter import EventFilter
from app.store.archive_rows import COLUMNS, Row
from app.store.archive_tables import ArchivedEvent, ArrivalCount, CoarseArrivals
from app.store.bulk import Bulk
from app.store.coarse import STEPS
from app.store.columns import key
from app.store.position import recorded

SCAN = 2_500
"""Rows that one step of a search looks at."""
_ROW = "number, time, envelope, data"


def insert(bulk: Bulk, rows: list[Row]) -> list[Row]:
    """Those of the rows that were not there before, now kept."""
    return _insert_postgres(bulk, rows) if bulk.on_postgres else _insert_sqlite(bulk, rows)


def _insert_sqlite(bulk: Bulk, rows: list[Row]) -> list[Row]:
    # Nobody else writes meanwhile: what has a higher number afterwards is new.
    last = bulk.rows("SELECT max(number) FROM events")[0][0] or 0
    marks = ", ".join("?" * len(COLUMNS))
    sql = f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({marks})"
    if bulk.many(f"{sql} ON CONFLICT (id, source) DO NOTHING", rows) == len(rows):
        return rows
    new = set(map(tuple, bulk.rows("SELECT id, source FROM events WHERE number > ?", last)))
    return [row for row in rows if row[:2] in new]


def _insert_postgres(bulk: Bulk, rows: list[Row]) -> list[Row]:
    added = bulk.insert(
        ArchivedEvent,
        COLUMNS,
        rows,
        "ON CONFLICT (id, source) DO NOTHING",
        "RETURNING id, source",
    )
    new = {tuple(row) for row in added}
    return rows if len(new) == len(rows) else [row for row in rows if row[:2] in new]


def count_arrivals(bulk: Bulk, rows: list[Row]) -> None:
    # Many come within a millisecond: its minute is worked out once for each type in it.
    counted: Counter[tuple[int, str, str]] = Counter()
    for (moment, *place), count in Counter([(row[8][:15], row[2], row[6]) for row in rows]).items():
        counted[int(recorded(moment) // 60), *place] += count
    bulk.insert(
        ArrivalCount,
        ("minute", "type", "topic", "count"),
        [(*place, count) for place, count in sorted(counted.items())],
        "ON CONFLICT (minute, type) DO UPDATE SET count = arrival_counts.count + excluded.count",
    )
    wide: Counter[tuple[int, int, str, str]] = Counter()
    for (minute, type, topic), count in counted.items():
        for step in STEPS:
            wide[step, minute // step * step, type, topic] += count
    bulk.insert(
        CoarseArrivals,
        ("step", "minute", "type", "topic", "count"),
        [(*place, count) for place, count in sorted(wide.items())],
        "ON CONFLICT (step, minute, type)"
        " DO UPDATE SET count = coarse_arrivals.count + excluded.count",
    )


def arrivals(
    bulk: Bulk, first: int, step: int, types: Sequence[str] | None, topic: str | None
) -> list[Any]:
    """Minutes from `first` on with how many came, in rows as coarse as steps of that length allow."""
    fits = [each for each in STEPS if step % each == 0 and first % each == 0]
    table, where = ("coarse_arrivals", ["step = ?"]) if fits else ("arrival_counts", [])
    parameters: list[Any] = [max(fits)] if fits else []
    where.append("minute >= ?")
    parameters.append(first)
    if types is not None:
        where.append(bulk.any_of("type"))
        parameters.append(bulk.listed(map(key, types)))
    if topic:
        where.append("topic = ?")
        parameters.append(topic)
    sql = f"SELECT minute, SUM(count) FROM {table} WHERE {' AND '.join(where)} GROUP BY minute"
    return bulk.rows(sql, *parameters)


def newest(bulk: Bulk, wanted: EventFilter, before: list[Any] | None, limit: int) -> list[Any]:
    where, parameters = wanted.sql(bulk)
    if before:
        where, parameters = f"{where} AND (time, number) < (?, ?)", [*parameters, *before]
    sql = f"SELECT {_ROW} FROM events WHERE {where} ORDER BY time DESC, number DESC LIMIT ?"
    return bulk.rows(sql, *parameters, limit)


def newest_like(
    bulk: Bulk, wanted: EventFilter, before: list[Any] | None, limit: int
) -> tuple[list[Any], list[Any] | None]:
    """Those of the next SCAN rows that match, and the key of the last of them, if there is more."""
    where, parameters = wanted.sql(bulk)
    if before:
        where, parameters = f"{where} AND (time, number) < (?, ?)", [*parameters, *before]
    like, needles = wanted.like(bulk)
    edge = bulk.rows(
        f"SELECT time, number FROM events WHERE {where}"
        " ORDER BY time DESC, number DESC LIMIT 1 OFFSET ?",
        *parameters,
        SCAN - 1,
    )
    last = list(edge[0]) if edge else None
    if last:
        where, parameters = f"{where} AND (time, number) >= (?, ?)", [*parameters, *last]
    sql = (
        f"SELECT {_ROW} FROM events WHERE {where} AND ({like})"
        " ORDER BY time DESC, number DESC LIMIT ?"
    )
    return bulk.rows(sql, *parameters, *needles, limit), last


def oldest(
    bulk: Bulk, wanted: EventFilter, start: list[Any] | None, limit: int, by_place: bool
) -> list[Any]:
    order = "partition, position, number" if by_place else "time, number"
    where, parameters = wanted.sql(bulk)
    if wanted.q:
        like, needles = wanted.like(bulk)
        where, parameters = f"{where} AND ({like})", [*parameters, *needles]
    if start:
        marks = ", ".join("?" * len(start))
        where, parameters = f"{where} AND ({order}) > ({marks})", [*parameters, *start]
    sql = (
        f"SELECT number, time, partition, position, topic, envelope, data FROM events"
        f" WHERE {where} ORDER BY {order} LIMIT ?"
    )
    return bulk.rows(sql, *parameters, limit)
