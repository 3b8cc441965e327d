"""Figures of a topic, a subscription or a worker over a range of time, as charts draw them.

Steps grow with the range, so a chart has at most 180 of them, and each is a row
that is kept as such (`coarse.py`). Waiting and working are given as
p50, p95 and p99, merged from histograms. What isn't known is None: a lag of
a minute in which nobody looked, a percentile of a step in which nothing ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlmodel import Session, select

from app.clock import Clock, SystemClock
from app.errors import Refused
from app.store import coarse
from app.store.archive import Archive
from app.store.bulk import Bulk
from app.store.columns import key
from app.store.database import Database
from app.store.moments import iso
from app.store.projection.counts import FIGURES, HISTOGRAMS, total
from app.store.subscriptions import SubscriptionRow, show
from app.telemetry.histogram import quantiles

Sums = dict[int, dict[str, Any]]
Lags = dict[int, tuple[int | None, float]]
MINUTES = {"subscription": ("rollups", "subscription"), "worker": ("worker_rollups", "worker")}
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_buckets = msgspec.json.Decoder(dict[int, int]).decode
SHARED = tuple(SHARES.values())


class Range(NamedTuple):
    """A length of time and its steps, in minutes."""

    length: int
    step: int


RANGES = {
    "15m": Range(15, 1),
    "1h": Range(60, 1),
    "24h": Range(1440, 10),
    "7d": Range(10_080, 60),
    "30d": Range(43_200, 240),
}


class Charted:
    def __init__(self, database: Database, archive: Archive, clock: Clock | None = None):
        self._database = database
        self._archive = archive
        self._clock = clock or SystemClock()

    def over(
        self,
        range: str = "1h",
        *,
        subscription: str | None = None,
        topic: str | None = None,
        worker: str | None = None,
    ) -> dict[str, Any]:
        """`step` (seconds) and `rows`, oldest first, of one of the three, or of all subscriptions but our own.

        A row: `at`, `in` (events that came; None for a worker), `done`, `failed`, `retried`, `parked`,
        `waited` and `worked` (each `{"p50", "p95", "p99"}`, seconds), `lag` (`{"events", "seconds"}`).
        A topic's figures are those of all subscriptions that read it. Raises `Refused`.
        """
        if range not in RANGES:
            raise Refused(f"range is {range[:20]!r}; it must be one of: {', '.join(RANGES)}.")
        if sum(1 for one in (subscription, topic, worker) if one) > 1:
            raise Refused("Name one subscription, topic or worker, or none of them for all.")
        length, step = RANGES[range]
        now = int(self._clock.now() // 60)
        start = (now - length) // step * step + step
        with self._database.read() as session:
            bulk = Bulk(session)
            kind, names, types = _who(session, subscription, topic, worker)
            if step == coarse.MINUTE and kind != coarse.ALL:
                sums, lags = _minutes(bulk, kind, names, start)
            else:
                whose = [coarse.whose(kind, name) for name in names]
                whose = [coarse.ALL] if kind == coarse.ALL else whose
                sums, lags = _coarse(bulk, whose, start, step)
        arrived = None
        if not worker:
            arrived = self._archive.arrivals(start * 60.0, step * 60.0, types, topic)
        rows = []
        for minute in _steps(start, now, step):
            came = None if arrived is None else int(arrived.get(minute * 60.0, 0))
            rows.append(_row(minute, came, sums.get(minute), lags.get(minute)))
        return {"step": step * 60, "rows": rows}

    def last_settles(self) -> dict[str, str | None]:
        """The minute in which each worker of the last two days last settled something, by its id."""
        since = int(self._clock.now() // 60) - 2880
        with self._database.read() as session:
            sql = "SELECT worker, MAX(minute) FROM worker_rollups WHERE minute >= ? GROUP BY worker"
            return {id: iso(minute * 60.0) for id, minute in Bulk(session).rows(sql, since)}


def _steps(start: int, now: int, step: int) -> Sequence[int]:
    return range(start, now + 1, step)


def _who(
    session: Session, subscription: str | None, topic: str | None, worker: str | None
) -> tuple[str, list[str], list[str] | None]:
    """Whose figures count, and the types that come to them (None: all of the topic's)."""
    if worker:
        return "worker", [worker], None
    if subscription:
        row = session.get(SubscriptionRow, subscription)
        types = show(row)["types"] if row else []
        return "subscription", [subscription], None if types and "*" in types else list(types or [])
    if topic:
        rows = [show(row) for row in session.exec(select(SubscriptionRow))]
        readers = [row["name"] for row in rows if topic in (row["topics"] or ())]
        return "subscription", readers, None
    return coarse.ALL, [], None


def _minutes(bulk: Bulk, kind: str, names: Sequence[str], start: int) -> tuple[Sums, Lags]:
    """By the minute, of some subscriptions or workers."""
    table, name = MINUTES[kind]
    where = f"WHERE {bulk.any_of(name)} AND minute >= ?"
    chosen = bulk.listed(map(key, names)), start
    sums = bulk.rows(f"SELECT minute, {', '.join(FIGURES)} FROM {table} {where}", *chosen)
    lags: list[Any] = []
    if kind == "subscription":
        lags = bulk.rows(f"SELECT minute, events, seconds FROM lags {where}", *chosen)
    return _summed(sums), _worst(lags)


def _coarse(bulk: Bulk, whose: Sequence[str], start: int, step: int) -> tuple[Sums, Lags]:
    where = f"WHERE {bulk.any_of('whose')} AND step = ? AND minute >= ?"
    chosen = bulk.listed(whose), step, start
    sums = bulk.rows(f"SELECT minute, {', '.join(FIGURES)} FROM coarse_rollups {where}", *chosen)
    lags = bulk.rows(f"SELECT minute, events, seconds FROM coarse_lags {where}", *chosen)
    return _summed(sums), _worst(lags)


def _summed(rows: Sequence[Any]) -> Sums:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for minute, *values in rows:
        row = dict(zip(FIGURES, values, strict=True))
        for column in HISTOGRAMS:
            row[column] = _buckets(row[column]) if row[column] else {}
        found[minute].append(row)
    return {minute: total(rows) for minute, rows in found.items()}


def _worst(rows: Sequence[Any]) -> Lags:
    found: Lags = {}
    for minute, *lag in rows:
        found[minute] = coarse.worse(found.get(minute), (lag[0], lag[1]))
    return found


def _row(
    minute: int,
    arrived: int | None,
    sums: dict[str, Any] | None,
    lag: tuple[int | None, float] | None,
) -> dict[str, Any]:
    sums = sums or total([])
    retried, parked = int(sums["retrying"]), int(sums["parked"])
    return {
        "at": iso(minute * 60.0),
        "in": arrived,
        "done": int(sums["succeeded"]),
        "failed": retried + parked,
        "retried": retried,
        "parked": parked,
        "waited": dict(zip(SHARES, quantiles(sums["waited_in"], SHARED), strict=True)),
        "worked": dict(zip(SHARES, quantiles(sums["worked_in"], SHARED), strict=True)),
        "lag": {"events": lag[0] if lag else None, "seconds": lag[1] if lag else None},
    }
