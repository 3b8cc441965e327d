"""Records to rollups: sums per minute, of a subscription and of a worker, each record counted once.

Histograms are added up here and not in SQL: one applier works at a time
(docs/decisions/0011), so what it read is still so when it writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from app.store.bulk import Bulk
from app.store.columns import from_json, to_json
from app.store.deliveries import AppliedRecord, Counted, Rollup, WorkerRollup
from app.store.projection.record import Record
from app.telemetry.histogram import merged

STATES = ("succeeded", "retrying", "parked", "cancelled", "excluded")
SUMS = (*STATES, "waited", "worked")
MOST = ("waited_max", "worked_max")
HISTOGRAMS = ("waited_in", "worked_in")
FIGURES = (*SUMS, *MOST, *HISTOGRAMS)


def not_applied(bulk: Bulk, records: Sequence[Record], now: float) -> list[Record]:
    """Those of the records that are new, each once; they are marked as applied."""
    new = {record.id: record for record in records}
    sql = f"SELECT id FROM applied_records WHERE {bulk.any_of('id')}"
    for (id,) in bulk.rows(sql, bulk.listed(new)):
        del new[id]
    bulk.insert(AppliedRecord, ("id", "at"), [(id, now) for id in sorted(new)])
    return list(new.values())


def apply(bulk: Bulk, records: Sequence[Record]) -> None:
    _apply(bulk, Rollup, "subscription", records, lambda record: record.subscription)
    of_workers = [record for record in records if record.worker]
    _apply(bulk, WorkerRollup, "worker", of_workers, lambda record: record.worker)


def _apply(
    bulk: Bulk,
    table: type[Counted],
    name: str,
    records: Sequence[Record],
    whose: Callable[[Record], str],
) -> None:
    given: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        given[int(record.at // 60), whose(record)].append(figures_of(record))
    add(bulk, table, name, given)


def figures_of(record: Record) -> dict[str, Any]:
    """A record's own sums, in the form of a row."""
    waited, worked = record.waited, record.worked
    return {
        **{state: record.counts.get(state, 0) for state in STATES},
        "waited": waited.get("sum", 0.0),
        "worked": worked.get("sum", 0.0),
        "waited_max": waited.get("max", 0.0),
        "worked_max": worked.get("max", 0.0),
        "waited_in": waited.get("in") or {},
        "worked_in": worked.get("in") or {},
    }


def total(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row of several."""
    return {
        **{name: sum(row[name] for row in rows) for name in SUMS},
        **{name: max([row[name] for row in rows] or [0.0]) for name in MOST},
        **{name: merged(row[name] for row in rows if row[name]) for name in HISTOGRAMS},
    }


def add(
    bulk: Bulk,
    table: type[Counted],
    name: str,
    given: dict[tuple[int, str], list[dict[str, Any]]],
) -> None:
    """Add rows to those that are there, by minute and name."""
    if not given:
        return
    there = f"SELECT minute, {name}, {', '.join(FIGURES)} FROM {table.__tablename__}"
    minutes = sorted({minute for minute, _ in given})
    sql = f"{there} WHERE minute BETWEEN ? AND ? AND {bulk.any_of(name)}"
    names = bulk.listed(sorted({who for _, who in given}))
    for minute, who, *values in bulk.rows(sql, minutes[0], minutes[-1], names):
        if (minute, who) in given:
            row = dict(zip(FIGURES, values, strict=True))
            for column in HISTOGRAMS:
                row[column] = from_json(row[column]) if row[column] else {}
            given[minute, who].append(row)
    rows = []
    for place in sorted(given):
        row = total(given[place])
        values = [
            to_json(row[column]) if column in HISTOGRAMS else row[column] for column in FIGURES
        ]
        rows.append((*place, *values))
    bulk.insert(table, ("minute", name, *FIGURES), rows, _REPLACE.format(name=name))


_REPLACE = "ON CONFLICT (minute, {name}) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in FIGURES
)
