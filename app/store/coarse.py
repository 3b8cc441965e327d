"""Figures in the steps of long charts, kept beside those of minutes, so that a chart reads few rows.

Whoever adds to a minute adds to its ten minutes, its hour and its four hours in
the same transaction: a chart of a month reads 180 rows of one kind, as one of
an hour reads 60, and never adds up 43,200. What all subscriptions did together
is kept like that too, by the minute as well, so that it doesn't cost more the
more there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from app.store.bulk import Bulk
from app.store.columns import key

DAY = 1440
ALL = "all"
MINUTE = 1
STEPS = (10, 60, 240)
"""In minutes. A step of a chart is one of them, or a minute."""
KEPT = {MINUTE: 2 * DAY, 10: 8 * DAY}
"""For how many minutes; the others for as long as anything is."""
MINUTES = ("rollups", "worker_rollups", "lags")
COARSE = ("coarse_rollups", "coarse_lags")
Row = dict[str, Any]
Place = tuple[int, str]


def whose(kind: str, name: str) -> str:
    return key(f"{kind}:{key(name)}")


def widened(minutes: Mapping[Place, Row], step: int) -> dict[Place, list[Row]]:
    """The rows (by minute and whose) that belong together in a step; of minutes, those of all."""
    found: dict[Place, list[Row]] = defaultdict(list)
    for (minute, who), row in minutes.items():
        if step > MINUTE or who == ALL:
            found[minute // step * step, who].append(row)
    return found


def write_lags(bulk: Bulk, rows: Sequence[tuple[Any, ...]], apart: Sequence[str] = ()) -> None:
    """Note lags (minute, subscription, events, seconds); of a step's several the worst stays.

    Subscriptions in `apart` don't count as part of `all`.
    """
    bulk.many(_worst("lags", "minute, subscription"), rows)
    wide: dict[tuple[int, int, str], tuple[int | None, float]] = {}
    for minute, name, events, seconds in rows:
        for step in (MINUTE, *STEPS):
            names = [whose("subscription", name)] if step > MINUTE else []
            for who in names + [ALL] * (name not in apart):
                place = minute // step * step, step, who
                wide[place] = worse(wide.get(place), (events, seconds))
    bulk.many(
        _worst("coarse_lags", "minute, step, whose"),
        [(*place, *lag) for place, lag in sorted(wide.items())],
    )


def worse(
    one: tuple[int | None, float] | None, other: tuple[int | None, float]
) -> tuple[int | None, float]:
    if one is None:
        return other
    known = [events for events in (one[0], other[0]) if events is not None]
    return max(known) if known else None, max(one[1], other[1])


_WORST = (
    "INSERT INTO {table} ({key}, events, seconds) VALUES ({marks})"
    " ON CONFLICT ({key}) DO UPDATE SET"
    " events = CASE WHEN {table}.events IS NULL OR excluded.events > {table}.events"
    " THEN excluded.events ELSE {table}.events END,"
    " seconds = CASE WHEN excluded.seconds > {table}.seconds"
    " THEN excluded.seconds ELSE {table}.seconds END"
)


def _worst(table: str, key: str) -> str:
    marks = ", ".join("?" * (key.count(",") + 3))
    return _WORST.format(table=table, key=key, marks=marks)


def forget(bulk: Bulk, minute: int, oldest: int) -> int:
    """Drop what is finer than its age needs, and everything from before `oldest`; how many rows."""
    gone = sum(
        bulk.run(f"DELETE FROM {table} WHERE minute < ?", max(oldest, minute - KEPT[MINUTE]))
        for table in MINUTES
    )
    for table in COARSE:
        gone += bulk.run(f"DELETE FROM {table} WHERE minute < ?", oldest)
        for step, kept in KEPT.items():
            sql = f"DELETE FROM {table} WHERE step = ? AND minute < ?"
            gone += bulk.run(sql, step, minute - kept)
    return gone
