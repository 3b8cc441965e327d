"""What subscriptions did over time, in steps of whole minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import col, select

from app.clock import Clock, SystemClock
from app.store.archive import Archive
from app.store.bulk import Bulk
from app.store.columns import key
from app.store.database import Database
from app.store.deliveries import Rollup
from app.store.moments import iso, seconds
from app.store.subscriptions import SubscriptionRow, show

STEPS = 5000  # at most; more is no chart
SUMMED = ("succeeded", "retrying", "parked", "cancelled", "waited", "worked")
MOST = ("waited_max", "worked_max")


class Rollups:
    def __init__(self, database: Database, archive: Archive, clock: Clock | None = None):
        self._database = database
        self._archive = archive
        self._clock = clock or SystemClock()

    def series(
        self, since: Any, step: float = 60, subscription: str | None = None
    ) -> list[dict[str, Any]]:
        """One row for each step until now, oldest first, with zeros where nothing happened.

        Of the last two days at most: for longer there is `charted`. `in`: events that came (of the
        subscription's types); `done`, `retried`, `parked`: attempts by their end; `failed` is
        retried and parked; `waited` and `worked`: mean seconds of a delivery, `waited_max` and
        `worked_max` the longest.
        """
        start, step, times = self._steps(since, step)
        names = [subscription] if subscription else None
        sums = self._sums(start, step, names).get(subscription or "", {})
        arrived = self._archive.arrivals(start, step, self._types(subscription))
        return [{"in": int(arrived.get(at, 0)), **_row(at, sums.get(at))} for at in times]

    def each(
        self, names: Sequence[str], since: Any, step: float = 60
    ) -> dict[str, list[dict[str, Any]]]:
        """The series of many subscriptions at once, by name; without what came in."""
        start, step, times = self._steps(since, step)
        sums = self._sums(start, step, names)
        return {name: [_row(at, sums.get(name, {}).get(at)) for at in times] for name in names}

    def _steps(self, since: Any, step: float) -> tuple[float, float, list[float]]:
        """The beginning of the first step, the length of each, and where each begins."""
        now = self._clock.now()
        step = max(60.0, step // 60 * 60.0)
        start = (seconds(since) or 0.0) // step * step
        start = max(start, now // step * step - STEPS * step)
        return start, step, [start + n * step for n in range(int((now - start) // step) + 1)]

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

    def _sums(
        self, start: float, step: float, names: Sequence[str] | None
    ) -> dict[str, dict[float, list[Any]]]:
        """Sums by name (all together under "", where none are named) and the step's beginning."""
        who = "subscription" if names is not None else "''"
        sums = ", ".join(f"SUM({name})" for name in SUMMED)
        most = ", ".join(f"MAX({name})" for name in MOST)
        found: dict[str, dict[float, list[Any]]] = {}
        with self._database.read() as session:
            bulk = Bulk(session)
            sql = f"SELECT {who}, minute, {sums}, {most} FROM rollups WHERE minute >= ?"
            parameters: list[Any] = [int(start // 60)]
            if names is not None:
                sql += f" AND {bulk.any_of('subscription')}"
                parameters.append(bulk.listed(map(key, names)))
            shown = {key(name): name for name in names or ()}
            by = "minute" if names is None else "subscription, minute"
            for name, minute, *values in bulk.rows(f"{sql} GROUP BY {by}", *parameters):
                of = found.setdefault(shown.get(name, ""), {})
                at = start + (minute * 60 - start) // step * step
                row = of.get(at, [0] * 6 + [0.0] * 2)
                of[at] = [a + b for a, b in zip(row[:6], values[:6], strict=True)] + [
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


def _row(at: float, sums: list[Any] | None) -> dict[str, Any]:
    sums = sums or [0] * 8
    done, retried, parked, cancelled = (int(number) for number in sums[:4])
    waited, worked, waited_max, worked_max = (float(number) for number in sums[4:])
    attempts = done + retried + parked + cancelled
    return {
        "at": iso(at),
        "done": done,
        "failed": retried + parked,
        "retried": retried,
        "parked": parked,
        "waited": waited / attempts if attempts else 0.0,
        "worked": worked / attempts if attempts else 0.0,
        "waited_max": waited_max,
        "worked_max": worked_max,
    }
