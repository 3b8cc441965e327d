"""Rollups that stay small: minutes become ten minutes after two days, and hours after eight.

A step of a chart over a longer time is at least as coarse, so nothing that is
drawn changes. Each call folds a little, in one short transaction, and is safe
to repeat: folded rows are where they belong already.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlmodel import Session

from app.store.bulk import Bulk
from app.store.columns import from_json
from app.store.deliveries import Rollup, WorkerRollup
from app.store.projection import counts
from app.store.projection.derive import LOCK

DAY = 1440
STEPS = ((8 * DAY, 60), (2 * DAY, 10))
"""From which age (in minutes) on, and how many minutes a row covers then."""
AT_ONCE = 2000


def fold(session: Session, now: float) -> int:
    """Fold some of what is old enough; how many rows there were."""
    bulk = Bulk(session)
    bulk.lock(LOCK)  # the applier adds to the same rows
    minute = int(now // 60)
    return sum(
        _fold(bulk, table, name, (minute - age) // step * step, step)
        for age, step in STEPS
        for table, name in ((Rollup, "subscription"), (WorkerRollup, "worker"))
    ) + sum(_fold_lags(bulk, (minute - age) // step * step, step) for age, step in STEPS)


def _fold(bulk: Bulk, table: Any, name: str, before: int, step: int) -> int:
    columns = ", ".join(counts.FIGURES)
    found = bulk.rows(
        f"SELECT minute, {name}, {columns} FROM {table.__tablename__}"
        f" WHERE minute < ? AND minute / {step} * {step} <> minute ORDER BY minute LIMIT ?",
        before,
        AT_ONCE,
    )
    given: dict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for minute, who, *values in found:
        row = dict(zip(counts.FIGURES, values, strict=True))
        for column in counts.HISTOGRAMS:
            row[column] = from_json(row[column]) if row[column] else {}
        given[minute // step * step, who].append(row)
    bulk.many(
        f"DELETE FROM {table.__tablename__} WHERE minute = ? AND {name} = ?",
        [row[:2] for row in found],
    )
    counts.add(bulk, table, name, given)
    return len(found)


def _fold_lags(bulk: Bulk, before: int, step: int) -> int:
    found = bulk.rows(
        "SELECT minute, subscription, events, seconds FROM lags"
        f" WHERE minute < ? AND minute / {step} * {step} <> minute ORDER BY minute LIMIT ?",
        before,
        AT_ONCE,
    )
    bulk.many("DELETE FROM lags WHERE minute = ? AND subscription = ?", [row[:2] for row in found])
    write_lags(bulk, [(minute // step * step, *rest) for minute, *rest in found])
    return len(found)


def write_lags(bulk: Bulk, rows: list[tuple[Any, ...]]) -> None:
    """Note lags (minute, subscription, events, seconds); of a minute's several the worst stays."""
    bulk.many(
        "INSERT INTO lags (minute, subscription, events, seconds) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (minute, subscription) DO UPDATE SET"
        " events = CASE WHEN lags.events IS NULL OR excluded.events > lags.events"
        " THEN excluded.events ELSE lags.events END,"
        " seconds = CASE WHEN excluded.seconds > lags.seconds"
        " THEN excluded.seconds ELSE lags.seconds END",
        rows,
    )
