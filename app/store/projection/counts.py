"""Records to rollups: sums per minute and per step of the charts, each record counted once.

Histograms are added up here and not in SQL: one applier works at a time
(docs/decisions/0011), so what it read is still so when it writes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from app.store import coarse
from app.store.bulk import Bulk
from app.store.columns import from_json, to_json
from app.store.deliveries import AppliedRecord, CoarseRollup, Counted, Rollup, WorkerRollup
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
    """Add records to the minutes of subscriptions and workers, and to all that is coarser."""
    of_subscriptions = _by_minute(records, lambda record: record.subscription)
    of_workers = _by_minute([r for r in records if r.worker], lambda record: record.worker)
    minutes = {}
    for kind, given in (("subscription", of_subscriptions), ("worker", of_workers)):
        for (minute, name), rows in given.items():
            minutes[minute, coarse.whose(kind, name)] = total(rows)
    for (minute, _), rows in _by_minute(records, lambda record: coarse.ALL).items():
        minutes[minute, coarse.ALL] = total(rows)
    add(bulk, Rollup, "subscription", of_subscriptions)
    add(bulk, WorkerRollup, "worker", of_workers)
    for step in (coarse.MINUTE, *coarse.STEPS):
        add(bulk, CoarseRollup, "whose", coarse.widened(minutes, step), step)


def _by_minute(
    records: Sequence[Record], whose: Callable[[Record], str]
) -> dict[tuple[int, str], list[dict[str, Any]]]:
    given: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        given[int(record.at // 60), whose(record)].append(figures_of(record))
    return given


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
    step: int | None = None,
) -> None:
    """Add rows to those that are there, by minute and name (and step, where the table has them)."""
    if not given:
        return
    there = f"SELECT minute, {name}, {', '.join(FIGURES)} FROM {table.__tablename__}"
    minutes = sorted({minute for minute, _ in given})
    sql = f"{there} WHERE {bulk.any_of(name)} AND minute BETWEEN ? AND ?"
    parameters = [bulk.listed(sorted({who for _, who in given})), minutes[0], minutes[-1]]
    if step is not None:
        sql, parameters = f"{sql} AND step = ?", [*parameters, step]
    for minute, who, *values in bulk.rows(sql, *parameters):
        if (minute, who) in given:
            row = dict(zip(FIGURES, values, strict=True))
            for column in HISTOGRAMS:
                row[column] = from_json(row[column]) if row[column] else {}
            given[minute, who].append(row)
    place = ("minute", name) if step is None else ("minute", name, "step")
    rows = []
    for at in sorted(given):
        row = total(given[at])
        values = [
            to_json(dict(sorted(row[column].items()))) if column in HISTOGRAMS else row[column]
            for column in FIGURES
        ]
        rows.append((*at, *((step,) if step is not None else ()), *values))
    bulk.insert(table, (*place, *FIGURES), rows, _REPLACE.format(place=", ".join(place)))


_REPLACE = "ON CONFLICT ({place}) DO UPDATE SET " + ", ".join(
    f"{column} = excluded.{column}" for column in FIGURES
)
