"""Figures of a rebuild beside the live ones, by their minutes: which differ, and replacing them.

A record that is archived and that the live figures don't have yet will be added to them, so its
minute and what follows stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sqlmodel import SQLModel

from app.store import coarse, settled_records
from app.store.bulk import Bulk
from app.store.columns import key
from app.store.database import Database
from app.store.deliveries import CoarseRollup, Rollup, WorkerRollup
from app.store.projection.record import Record
from app.store.projection.replacing import move, unlike_minutes

LOOK_BACK = 50
"""Batches of records in which one is looked for that the projector has yet to apply."""
NEVER = 2**31 - 1
WIDEST = coarse.STEPS[-1]

_STEPS: tuple[tuple[type[SQLModel], str], ...] = (
    (Rollup, "1"), (WorkerRollup, "1"), (CoarseRollup, "step"),
)  # fmt: skip
"""The tables, and over how many minutes one of their rows goes."""


class Figures:
    """Of the rebuild whose live tables are in this schema."""

    def __init__(self, live: str, since: float, archived: Database):
        self._live, self._archived = live, archived
        self._first = math.ceil(since / 60 / WIDEST) * WIDEST
        self._open: dict[str, int] | None = None

    def note(self, records: Iterable[Record]) -> None:
        """These were taken in; from `look_back` on they count as not applied until they are seen to be."""
        if self._open is not None:
            self._open.update((one.id, int(one.at // 60)) for one in records)

    def look_back(self, bulk: Bulk) -> None:
        """Find the records that are archived, and that the live rows don't have."""
        self._open, number = {}, NEVER
        while batches := settled_records.before(self._archived, number, LOOK_BACK):
            number = batches[-1].number
            minutes = {key(event.id): int(event.data["at"] // 60)
                       for _, events in batches for event in events}  # fmt: skip
            missing = self._not_applied(bulk, minutes)
            if not missing:
                return
            self._open.update(missing)

    def windows(self, bulk: Bulk) -> list[tuple[int, int]]:
        """All the time that there are figures of, in parts."""
        ends: list[int] = []
        for table, _ in _STEPS:
            for schema in ("", f"{self._live}."):
                sql = f"SELECT min(minute), max(minute) FROM {schema}{table.__tablename__}"
                ends += [minute for minute in bulk.rows(sql)[0] if minute is not None]
        if not ends:
            return []
        first = max(self._first, min(ends) // WIDEST * WIDEST)
        return [(at, at + WIDEST) for at in range(first, max(ends) + 1, WIDEST)]

    def differing(self, bulk: Bulk, window: tuple[int, int]) -> list[int]:
        """The minutes with which a row begins that is not what was built."""
        found: set[int] = set()
        for table, _ in _STEPS:
            found |= unlike_minutes(bulk, self._live, table, "minute >= ? AND minute < ?", window)
        return sorted(found)

    def replace(self, bulk: Bulk, minutes: Sequence[int]) -> None:
        self._open = self._not_applied(bulk, self._open or {})
        end = min(self._open.values(), default=NEVER)
        for table, step in _STEPS:
            where = f"{bulk.any_of('minute')} AND minute + {step} <= ?"
            for verb in ("DELETE", "INSERT"):
                move(bulk, self._live, table, verb, where, bulk.listed(minutes), end)

    def _not_applied(self, bulk: Bulk, records: dict[str, int]) -> dict[str, int]:
        there = bulk.rows(
            f"SELECT id FROM {self._live}.applied_records WHERE {bulk.any_of('id')}",
            bulk.listed(records),
        )
        applied = {id for (id,) in there}
        return {id: minute for id, minute in records.items() if id not in applied}
