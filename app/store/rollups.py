"""What subscriptions did over time, in steps of whole minutes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from app.clock import Clock, SystemClock
from app.store.archive import Archive
from app.store.columns import key
from app.store.database import Database
from app.store.deliveries import Rollup
from app.store.moments import iso, seconds
from app.store.subscriptions import SubscriptionRow, show

STEPS = 5000  # at most; more is no chart


class Rollups:
    def __init__(self, database: Database, archive: Archive, clock: Clock | None = None):
        self._database = database
        self._archive = archive
        self._clock = clock or SystemClock()

    def series(
        self, since: Any, step: float = 60, subscription: str | None = None
    ) -> list[dict[str, Any]]:
        """One row for each step until now, oldest first, with zeros where nothing happened.

        `in`: events that came (of the subscription's types); `done`, `retried`, `parked`: attempts
        by their end; `failed` is retried and parked; `waited` and `worked`: mean seconds of a
        delivery, `waited_max` and `worked_max` the longest.
        """
        now = self._clock.now()
        step = max(60.0, step // 60 * 60.0)
        start = (seconds(since) or 0.0) // step * step
        start = max(start, now // step * step - STEPS * step)
        sums = self._sums(start, step, subscription)
        arrived = self._archive.arrivals(start, step, self._types(subscription))
        rows = []
        at = start
        while at <= now:
            rows.append(_row(at, int(arrived.get(at, 0)), sums.get(at)))
            at += step
        return rows

    def recent(self, age: float) -> dict[str, tuple[int, int]]:
        """Attempts that (succeeded, failed) by subscription, in about the last `age` seconds."""
        # Added up here: grouped by the subscription, SQLite would read the whole of its index.
        query: Any = select(
            Rollup.subscription, Rollup.succeeded, Rollup.retrying, Rollup.parked
        ).where(col(Rollup.minute) > int((self._clock.now() - age) // 60))
        found: dict[str, tuple[int, int]] = {}
        with self._database.read() as session:
            for name, succeeded, retrying, parked in session.execute(query):
                done, failed = found.get(name, (0, 0))
                found[name] = done + succeeded, failed + retrying + parked
        return found

    def _sums(self, start: float, step: float, subscription: str | None) -> dict[float, list[Any]]:
        columns = (
            Rollup.succeeded, Rollup.retrying, Rollup.parked, Rollup.cancelled, Rollup.waited,
            Rollup.worked,
        )  # fmt: skip
        chosen: Any = select
        query = chosen(
            Rollup.minute,
            *(func.sum(column) for column in columns),
            func.max(Rollup.waited_max),
            func.max(Rollup.worked_max),
        ).where(col(Rollup.minute) >= int(start // 60))
        if subscription:
            query = query.where(Rollup.subscription == key(subscription))
        found: dict[float, list[Any]] = {}
        with self._database.read() as session:
            for minute, *values in session.execute(query.group_by(Rollup.minute)):
                at = start + (minute * 60 - start) // step * step
                row = found.setdefault(at, [0] * 6 + [0.0] * 2)
                found[at] = [a + b for a, b in zip(row[:6], values[:6], strict=True)] + [
                    max(a, b) for a, b in zip(row[6:], values[6:], strict=True)
                ]
        return found

    def _types(self, subscription: str | None) -> list[str] | None:
        """The types to count as coming in; None: all."""
        if subscription is None:
            return None
        with self._database.read() as session:
            row = session.get(SubscriptionRow, subscription)
        types = show(row)["types"] if row else []
        return None if types and "*" in types else types or []


def _row(at: float, arrived: int, sums: list[Any] | None) -> dict[str, Any]:
    sums = sums or [0] * 8
    done, retried, parked, cancelled = (int(number) for number in sums[:4])
    waited, worked, waited_max, worked_max = (float(number) for number in sums[4:])
    attempts = done + retried + parked + cancelled
    return {
        "at": iso(at),
        "in": arrived,
        "done": done,
        "failed": retried + parked,
        "retried": retried,
        "parked": parked,
        "waited": waited / attempts if attempts else 0.0,
        "worked": worked / attempts if attempts else 0.0,
        "waited_max": waited_max,
        "worked_max": worked_max,
    }
